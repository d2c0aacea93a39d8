/* Two threads count without a lock; two more take two locks, each in its own order. */
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static int counter;

static void *count(void *unused) {
	counter++;
	return unused;
}

static void *forwards(void *unused) {
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	return unused;
}

static void *backwards(void *unused) {
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return unused;
}

int main(void) {
	pthread_t one, two;
	pthread_create(&one, NULL, count, NULL);
	pthread_create(&two, NULL, count, NULL);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	pthread_create(&one, NULL, forwards, NULL); /* one after the other, or they might wait for ever */
	pthread_join(one, NULL);
	pthread_create(&two, NULL, backwards, NULL);
	pthread_join(two, NULL);
	return 0;
}
