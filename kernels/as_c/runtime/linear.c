typedef struct {
  int channels, filters;
  const float *weights, *bias; /* [filters][channels], [filters] */
} bnn_linear_op;

static void bnn_linear(const void *node, const bnn_io *io) {
  const bnn_linear_op *const op = node;
  const float *const from = bnn_read(io, 0);
  const float *weights = op->weights;
  int f, c;
  for (f = 0; f < op->filters; ++f) {
    float sum = 0.0f;
    for (c = 0; c < op->channels; ++c) sum = BNN_ADD_PRODUCT(sum, from[c], *weights++);
    io->floats[f] = sum + op->bias[f];
  }
}
