/* Reads and writes where it must not, and decides by what nobody set. */
#include <stdlib.h>

static volatile int sink;

static void write_behind(int *block) {
	block[10] = 1;
}

static void read_before(int *block) {
	sink = block[-1];
}

static void decide(int *block) {
	if (block[3])
		sink = 1;
}

static void read_freed(int *block) {
	free(block);
	sink = block[0];
}

int main(void) {
	int *block = malloc(10 * sizeof *block);
	write_behind(block);
	read_before(block);
	decide(block);
	read_freed(block);
	return 0;
}
