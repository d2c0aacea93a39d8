/* Frees a block twice. */
#include <stdlib.h>

static void release(void *block) {
	free(block);
}

int main(void) {
	void *block = malloc(10);
	release(block);
	release(block);
	return 0;
}
