/* A convolution of floats, with the same weights for each of its maps. Around them all is 0. */
typedef struct {
  int height, width, channels, out_height, out_width;
  int kernel, stride, dilation, padding, groups;
  const float *weights; /* [filters][kernel][kernel][channels / groups] */
  bnn_ending end;
} bnn_real_conv_op;

/* The sums of at most 8 filters: of each, one chain in the order of its weights. */
static void bnn_real_sums(const bnn_real_conv_op *op, const float *map, int top, int left,
                          int first, float *sums) {
  const int n = bnn_least(BNN_SOME, op->end.filters - first), kernel = op->kernel;
  const int taken = op->channels / op->groups, made = op->end.filters / op->groups;
  const size_t field = (size_t)(kernel * kernel) * (size_t)taken;
  const float *const weights = op->weights + (size_t)first * field;
  int group[BNN_SOME], y, x, c, i;
  for (i = 0; i < n; ++i) {
    sums[i] = 0.0f;
    group[i] = (first + i) / made * taken;
  }
  for (y = 0; y < kernel; ++y)
    for (x = 0; x < kernel; ++x) {
      const int row = top + y * op->dilation, column = left + x * op->dilation;
      const size_t at = (size_t)row * (size_t)op->width + (size_t)column;
      const float *const tap = weights + (size_t)(y * kernel + x) * (size_t)taken;
      if (!bnn_inside(row, op->height) || !bnn_inside(column, op->width)) continue;
      for (c = 0; c < taken; ++c) {
        const float *const from = map + at * (size_t)op->channels + c;
        for (i = 0; i < n; ++i)
          sums[i] = BNN_ADD_PRODUCT(sums[i], from[group[i]], tap[(size_t)i * field + (size_t)c]);
      }
    }
}

static void bnn_real_conv(const void *node, const bnn_io *io) {
  const bnn_real_conv_op *const op = node;
  float y[BNN_SOME], total[BNN_SOME];
  size_t pixel = 0;
  int row, column, first, pair;
  for (row = 0; row < op->out_height; ++row)
    for (column = 0; column < op->out_width; ++column, ++pixel)
      for (first = 0; first < op->end.filters; first += BNN_SOME)
        for (pair = 0; pair < op->end.pairs; ++pair) {
          bnn_real_sums(op, bnn_read(io, pair), row * op->stride - op->padding,
                        column * op->stride - op->padding, first, y);
          bnn_end(&op->end, io, pair, pixel, first, y, total);
        }
}
