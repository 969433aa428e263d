/* The signs of at most 8 numbers against each of several thresholds, [signs][channels]: a byte for
   each, so many bytes apart. */
static void bnn_put_signs(const float *y, int n, const float *thresholds, int signs, int channels,
                          uint8_t *to, size_t apart) {
  for (; signs > 0; --signs, thresholds += channels, to += apart) {
    unsigned bits = 0;
    int i;
    for (i = 0; i < n; ++i) bits |= (unsigned)(y[i] < thresholds[i]) << i;
    *to = (uint8_t)bits;
  }
}
