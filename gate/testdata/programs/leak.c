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

int main(void) {
	kept = malloc(1000);
	lose();
	return kept == NULL;
}
