/* Forks. The child alone loses a block; with an argument it becomes that program. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(void) {
	void *volatile block = malloc(222);
	block = NULL;
}

int main(int argc, char **argv) {
	if (fork() == 0) {
		if (argc > 1) {
			execv(argv[1], argv + 1);
			_exit(127);
		}
		child();
		exit(0);
	}
	wait(NULL);
	return 0;
}
