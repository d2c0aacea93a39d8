/* Does the same wrong thing before a fork, and after it in both processes. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void wrong(volatile char *block) {
	block[8] = 1;
}

int main(void) {
	char *block = malloc(8);
	for (int i = 0; i < 2; i++) {
		wrong(block);
		if (i == 0 && fork() == 0) {
			wrong(block);
			free(block);
			exit(0);
		}
	}
	wait(NULL);
	free(block);
	return 0;
}
