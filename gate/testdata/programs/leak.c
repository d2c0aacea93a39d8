/* Loses a block, and another through its only pointer; a third stays reachable. */
#include <stdlib.h>

struct node {
	struct node *next;
};

static void *kept;

static struct node *make(struct node *next) {
	struct node *n = malloc(sizeof *n);
	n->next = next;
	return n;
}

static void lose(void) {
	make(make(NULL));
}

/* Writes over what lose left on the stack: LeakSanitizer takes it for a pointer. */
static void forget(void) {
	volatile char stack[4096];
	for (unsigned i = 0; i < sizeof stack; i++)
		stack[i] = 0;
}

int main(void) {
	kept = malloc(1000);
	lose();
	forget();
	return kept == NULL;
}
