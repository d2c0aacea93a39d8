/* Writes to no address while it holds a block: SIGSEGV. */
#include <stdlib.h>

static void crash(int *nowhere) {
	*nowhere = 1;
}

int main(void) {
	void *volatile block = malloc(33);
	block = NULL;
	crash(block);
	return 0;
}
