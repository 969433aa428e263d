/* Maps mixed into others, by constants; see bnn_mixed. */
typedef struct {
  int channels, inputs, outputs, signs;
  size_t pixels;
  int gate, route;
  const float *blend; /* of a gate: [outputs, at most inputs]; of a route: [outputs][inputs] */
  const float *sums;       /* [inputs]; NULL: a mean */
  const float *thresholds; /* [outputs][signs][channels] */
} bnn_mix_op;

/* The sum of all maps times their weights; without weights, the mean. */
static float bnn_weighted(const bnn_mix_op *op, const bnn_io *io, const float *weights, size_t at) {
  float sum = 0.0f;
  int i;
  for (i = 0; i < op->inputs; ++i) {
    const float *const map = bnn_read(io, i);
    const float term = weights ? map[at] * weights[i] : map[at];
    sum = i ? sum + term : term;
  }
  return weights ? sum : sum / (float)op->inputs;
}

static float bnn_mixed(const bnn_mix_op *op, const bnn_io *io, int output, size_t at) {
  float sum;
  if (op->route) return bnn_weighted(op, io, op->blend + output * op->inputs, at);
  sum = bnn_weighted(op, io, op->sums, at);
  if (op->gate && output < op->inputs) { /* c * own + (1 - c) * the sum */
    const float *const map = bnn_read(io, output);
    const float own = map[at] * op->blend[output], rest = sum * (1.0f - op->blend[output]);
    sum = own + rest;
  }
  return sum;
}

static void bnn_mix(const void *node, const bnn_io *io) {
  const bnn_mix_op *const op = node;
  const size_t channels = (size_t)op->channels, bytes = (channels + 7) / 8;
  float y[BNN_SOME];
  size_t pixel;
  int first, output, i;
  for (output = 0; output < op->outputs; ++output)
    for (pixel = 0; pixel < op->pixels; ++pixel)
      for (first = 0; first < op->channels; first += BNN_SOME) {
        const int n = bnn_least(BNN_SOME, op->channels - first);
        const size_t at = pixel * channels + (size_t)first;
        const size_t set = (size_t)output * (size_t)op->signs;
        for (i = 0; i < n; ++i) y[i] = bnn_mixed(op, io, output, at + (size_t)i);
        if (io->floats)
          memcpy(io->floats + (size_t)output * op->pixels * channels + at, y,
                 (size_t)n * sizeof *y);
        if (op->signs)
          bnn_put_signs(y, n, op->thresholds + set * channels + (size_t)first, op->signs,
                        op->channels,
                        io->bits + (set * op->pixels + pixel) * bytes + (size_t)first / 8,
                        op->pixels * bytes);
      }
}
