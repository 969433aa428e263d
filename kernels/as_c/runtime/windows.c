/* The largest or the average of stretches of maps: pools and skips. */
typedef struct {
  int height, width, channels, out_height, out_width;
  int filters; /* channels that come out: repeated in turn, or cut off */
  int sets, onto; /* onto: the one map is added to each of so many */
  int largest;
  int kernel, stride, padding; /* of a window that slides; kernel 0: the sides are divided */
} bnn_windows_op;

static bnn_stretch bnn_part(const bnn_windows_op *op, int place, int size, int out) {
  bnn_stretch found;
  if (op->kernel) return bnn_slid(place, size, op->kernel, op->stride, op->padding);
  found.begin = (int)((int64_t)place * size / out);
  found.end = (int)(((int64_t)(place + 1) * size + out - 1) / out);
  return found;
}

static float bnn_window(const bnn_windows_op *op, const float *map, bnn_stretch rows,
                        bnn_stretch columns, int channel) {
  float held = 0.0f;
  int y, x;
  for (y = rows.begin; y < rows.end; ++y)
    for (x = columns.begin; x < columns.end; ++x) {
      const size_t at = (size_t)y * (size_t)op->width + (size_t)x;
      const float next = map[at * (size_t)op->channels + (size_t)channel];
      if (y == rows.begin && x == columns.begin)
        held = next;
      else if (!op->largest)
        held = held + next;
      else if (next > held)
        held = next;
    }
  if (!op->largest) {
    const float count = (float)(rows.end - rows.begin) * (float)(columns.end - columns.begin);
    const float times = 1.0f / count;
    held = held * times;
  }
  return held;
}

static void bnn_windows(const void *node, const bnn_io *io) {
  const bnn_windows_op *const op = node;
  const size_t all = (size_t)op->out_height * (size_t)op->out_width * (size_t)op->filters;
  size_t at = 0;
  int set, row, column, f, i;
  for (set = 0; set < op->sets; ++set)
    for (row = 0; row < op->out_height; ++row)
      for (column = 0; column < op->out_width; ++column)
        for (f = 0; f < op->filters; ++f, ++at) {
          const float y = bnn_window(op, bnn_read(io, set),
                                     bnn_part(op, row, op->height, op->out_height),
                                     bnn_part(op, column, op->width, op->out_width),
                                     f % op->channels);
          if (!op->onto) io->floats[at] = y;
          for (i = 0; i < op->onto; ++i)
            io->floats[(size_t)i * all + at] = io->residual[(size_t)i * all + at] + y;
        }
}
