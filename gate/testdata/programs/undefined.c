/* Adds, shifts and indexes beyond what the language allows, and goes on. */
static volatile int sink;

static void add(int n) {
	sink = 0x7fffffff + n;
}

static void shift(int n) {
	sink = n << 40 * n;
}

static void behind(int n) {
	int few[3] = {0};
	sink = few[n + 2];
}

int main(int n, char **unused) {
	(void)unused;
	add(n);
	shift(n);
	behind(n);
	return 0;
}
