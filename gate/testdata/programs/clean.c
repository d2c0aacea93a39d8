/* Frees what it takes: nothing to find. */
#include <stdlib.h>

int main(void) {
	char *block = malloc(40);
	block[0] = 1;
	free(block);
	return 0;
}
