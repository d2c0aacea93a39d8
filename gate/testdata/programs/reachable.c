/* Never frees a block that it can still reach. */
#include <stdlib.h>

static void *kept;

int main(void) {
	kept = malloc(1000);
	return kept == NULL;
}
