/* An ending alone. */
static void bnn_affine(const void *node, const bnn_io *io) {
  const bnn_ending *const end = node;
  const size_t filters = (size_t)end->filters;
  float y[BNN_SOME], total[BNN_SOME];
  size_t pixel;
  int first, pair;
  for (pixel = 0; pixel < end->pixels; ++pixel)
    for (first = 0; first < end->filters; first += BNN_SOME)
      for (pair = 0; pair < end->pairs; ++pair) {
        const float *const from = bnn_read(io, pair);
        const int n = bnn_least(BNN_SOME, end->filters - first);
        memcpy(y, from + pixel * filters + (size_t)first, (size_t)n * sizeof *y);
        bnn_end(end, io, pair, pixel, first, y, total);
      }
}
