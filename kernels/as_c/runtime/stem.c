/* A convolution on pixels and a max pool. Its sums are whole numbers, without the mean of the
   pixels; what that takes off depends on which taps of the window lie inside the image, and so on
   the cut of its row and that of its column. */
typedef struct {
  int height, width, channels, conv_height, conv_width, out_height, out_width;
  int kernel, stride, padding, pool, pool_stride, pool_padding;
  int column_cuts;
  const uint8_t *row_cut, *column_cut; /* [conv_height], [conv_width] */
  const int16_t *weights;              /* [filters][kernel][kernel][channels] */
  const int32_t *whole;                /* [cuts of rows][cuts of columns][filters]: added .. */
  const float *part;                   /* .. and the rest of it, added to the float */
  bnn_ending end;
} bnn_stem_op;

static int32_t bnn_stem_sum(const bnn_stem_op *op, const uint8_t *pixels, int top, int left,
                            const int16_t *weights) {
  int32_t sum = 0;
  int y, x, c;
  for (y = 0; y < op->kernel; ++y)
    for (x = 0; x < op->kernel; ++x, weights += op->channels) {
      const int row = top + y, column = left + x;
      const size_t at = (size_t)row * (size_t)op->width + (size_t)column;
      if (!bnn_inside(row, op->height) || !bnn_inside(column, op->width)) continue;
      for (c = 0; c < op->channels; ++c)
        sum += (int32_t)weights[c] * pixels[at * (size_t)op->channels + (size_t)c];
    }
  return sum;
}

/* The convolution at one place, of one filter. */
static float bnn_stem_at(const bnn_stem_op *op, const uint8_t *pixels, int row, int column,
                         int filter) {
  const size_t taps = (size_t)(op->kernel * op->kernel * op->channels);
  const int cut = op->row_cut[row] * op->column_cuts + op->column_cut[column];
  const size_t mean = (size_t)cut * (size_t)op->end.filters + (size_t)filter;
  const int32_t sum = bnn_stem_sum(op, pixels, row * op->stride - op->padding,
                                   column * op->stride - op->padding,
                                   op->weights + (size_t)filter * taps);
  const float exact = (float)(sum + op->whole[mean]);
  return exact + op->part[mean];
}

static void bnn_stem(const void *node, const bnn_io *io) {
  const bnn_stem_op *const op = node;
  const uint8_t *const pixels = bnn_read(io, 0);
  float y[BNN_SOME];
  size_t pixel = 0;
  int row, column, first, i, r, c;
  for (row = 0; row < op->out_height; ++row)
    for (column = 0; column < op->out_width; ++column, ++pixel) {
      const bnn_stretch rows =
          bnn_slid(row, op->conv_height, op->pool, op->pool_stride, op->pool_padding);
      const bnn_stretch columns =
          bnn_slid(column, op->conv_width, op->pool, op->pool_stride, op->pool_padding);
      for (first = 0; first < op->end.filters; first += BNN_SOME) {
        for (i = 0; i < bnn_least(BNN_SOME, op->end.filters - first); ++i) {
          for (r = rows.begin; r < rows.end; ++r)
            for (c = columns.begin; c < columns.end; ++c) {
              const int begins = r == rows.begin && c == columns.begin;
              const float next = bnn_stem_at(op, pixels, r, c, first + i);
              if (begins || next > y[i]) y[i] = next;
            }
        }
        bnn_end(&op->end, io, 0, pixel, first, y, NULL);
      }
    }
}
