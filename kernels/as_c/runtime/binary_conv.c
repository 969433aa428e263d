#if defined(__GNUC__) && (defined(__POPCNT__) || defined(__aarch64__))
#define BNN_COUNT(word) __builtin_popcountll(word)
#else
static int bnn_count(uint64_t x) {
  x = x - ((x >> 1) & 0x5555555555555555u);
  x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return (int)((x * 0x0101010101010101u) >> 56);
}
#define BNN_COUNT(word) bnn_count(word)
#endif

/* How many signs differ. */
static int bnn_differ(const uint8_t *a, const uint8_t *b, int bytes) {
  uint64_t rest = 0;
  int count = 0;
  for (; bytes >= 8; bytes -= 8, a += 8, b += 8) {
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    count += BNN_COUNT(x ^ y);
  }
  if (bytes & 4) {
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    rest = x ^ y;
    a += 4, b += 4;
  }
  if (bytes & 2) {
    rest = rest << 16 | (uint64_t)((a[0] ^ b[0]) << 8) | (uint64_t)(a[1] ^ b[1]);
    a += 2, b += 2;
  }
  if (bytes & 1) rest = rest << 8 | (uint64_t)(*a ^ *b);
  return count + BNN_COUNT(rest);
}

/* A convolution of signs. Every base meets every input; or, with `own`, its own one. */
typedef struct {
  int height, width, channels, out_height, out_width;
  int kernel, stride, dilation, padding, inputs, bases, own;
  const uint8_t *weights; /* [bases][filters][kernel][kernel][bytes] */
  bnn_ending end;
} bnn_binary_conv_op;

/* What lies under a window, side by side. Around the map all is +1. */
static void bnn_gather(const bnn_binary_conv_op *op, const uint8_t *map, int top, int left,
                       uint8_t *to) {
  const size_t bytes = ((size_t)op->channels + 7) / 8;
  int y, x;
  for (y = 0; y < op->kernel; ++y)
    for (x = 0; x < op->kernel; ++x, to += bytes) {
      const int row = top + y * op->dilation, column = left + x * op->dilation;
      const size_t at = (size_t)row * (size_t)op->width + (size_t)column;
      if (bnn_inside(row, op->height) && bnn_inside(column, op->width))
        memcpy(to, map + at * bytes, bytes);
      else
        memset(to, 0, bytes);
    }
}

static void bnn_binary_conv(const void *node, const bnn_io *io) {
  const bnn_binary_conv_op *const op = node;
  const bnn_ending *const end = &op->end;
  const int taps = op->kernel * op->kernel, products = taps * op->channels;
  const int field = taps * ((op->channels + 7) / 8);
  uint8_t fields[BNN_FIELDS]; /* of every input */
  float y[BNN_SOME], total[BNN_SOME];
  size_t pixel = 0;
  int row, column, first, pair, i;
  for (row = 0; row < op->out_height; ++row)
    for (column = 0; column < op->out_width; ++column, ++pixel) {
      for (i = 0; i < op->inputs; ++i)
        bnn_gather(op, bnn_read(io, i), row * op->stride - op->padding,
                   column * op->stride - op->padding, fields + i * field);
      for (first = 0; first < end->filters; first += BNN_SOME)
        for (pair = 0; pair < end->pairs; ++pair) {
          const size_t base = (size_t)(op->own ? pair : pair % op->bases);
          const uint8_t *const x = fields + (op->own ? pair : pair / op->bases) * field;
          const uint8_t *weights =
              op->weights + (base * (size_t)end->filters + (size_t)first) * (size_t)field;
          for (i = 0; i < bnn_least(BNN_SOME, end->filters - first); ++i, weights += field)
            y[i] = (float)(products - 2 * bnn_differ(x, weights, field));
          bnn_end(end, io, pair, pixel, first, y, total);
        }
    }
}
