/* Does one wrong thing, says "ready", and waits until somebody kills it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
	volatile char *block = malloc(8);
	block[8] = 1;
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
