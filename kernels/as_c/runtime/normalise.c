static void bnn_normalise(const uint8_t *pixels, size_t n, int channels, const float *mean,
                          const float *std, float *to) {
  size_t i;
  int c;
  for (i = 0; i < n; ++i)
    for (c = 0; c < channels; ++c) {
      const float centred = (float)*pixels++ - mean[c];
      *to++ = centred / std[c];
    }
}
