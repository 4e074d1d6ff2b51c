static void pattern(struct registers *to, uint64_t seed)
{
	/* A value for each data register, made from one number (SplitMix64). */
	for (int n = 0; n < 64; n++) {
		uint64_t half[2];

		for (int i = 0; i < 2; i++) {
			uint64_t z = seed += 0x9e3779b97f4a7c15;

			z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
			z = (z ^ z >> 27) * 0x94d049bb133111eb;
			half[i] = (z ^ z >> 31) | 1;
		}
		if (n < 32) {
			to->vsr[n][0] = half[0];
			to->vsr[n][1] = half[1];
		} else {
			to->vr[n - 32] = (unsigned __int128)half[0] << 64 | half[1];
		}
	}
}


static void set_f(struct registers *to, int n, uint64_t value)
{
	to->vsr[n][0] = value;
}


static void set_vs(struct registers *to, int n, uint64_t value)
{
	to->vsr[n][1] = value;
}


static void set_v(struct registers *to, int n, uint64_t first, uint64_t second)
{
	to->vr[n] = (unsigned __int128)first << 64 | second;
}
