/* Bilinear, between the centres of pixels. */
typedef struct {
  int height, width, channels, out_height, out_width, sets;
} bnn_resize_op;

typedef struct {
  int before, behind;
  float first, second; /* how much of each */
} bnn_between;

static bnn_between bnn_places(int place, int size, int out) {
  const double scaled = ((double)place + 0.5) * (double)size;
  const double last = (double)(size - 1);
  double at = scaled / (double)out;
  bnn_between found;
  at = at - 0.5;
  if (at < 0.0) at = 0.0;
  if (at > last) at = last;
  found.before = (int)at;
  found.behind = bnn_least(found.before + 1, size - 1);
  at = at - (double)found.before;
  found.first = (float)(1.0 - at);
  found.second = (float)at;
  return found;
}

/* Of two numbers, so much of each: rounded three times. */
static float bnn_blend(float a, float b, bnn_between by) {
  const float first = a * by.first, second = b * by.second;
  return first + second;
}

static void bnn_resize(const void *node, const bnn_io *io) {
  const bnn_resize_op *const op = node;
  const size_t channels = (size_t)op->channels, line = (size_t)op->width * channels;
  float *to = io->floats;
  int set, y, x;
  size_t c;
  for (set = 0; set < op->sets; ++set)
    for (y = 0; y < op->out_height; ++y)
      for (x = 0; x < op->out_width; ++x) {
        const bnn_between rows = bnn_places(y, op->height, op->out_height);
        const bnn_between columns = bnn_places(x, op->width, op->out_width);
        const float *const map = bnn_read(io, set);
        const float *const upper = map + (size_t)rows.before * line;
        const float *const lower = map + (size_t)rows.behind * line;
        const size_t left = (size_t)columns.before * channels;
        const size_t right = (size_t)columns.behind * channels;
        for (c = 0; c < channels; ++c)
          *to++ = bnn_blend(bnn_blend(upper[left + c], lower[left + c], rows),
                            bnn_blend(upper[right + c], lower[right + c], rows), columns);
      }
}
