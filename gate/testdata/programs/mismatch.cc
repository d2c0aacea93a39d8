// Deletes with delete what new[] made, and loses what a template made.
#include <cstddef>
#include <map>
#include <string>

template <typename K, typename V>
static void lose(std::size_t n) {
	auto *lost = new std::map<K, V *>[n];
	(*lost)[K()] = nullptr;
}

int main() {
	int *numbers = new int[7];
	delete numbers;
	lose<std::string, int>(2);
	return 0;
}
