typedef struct {
  int channels, sets, signs;
  size_t pixels;
  const float *thresholds; /* [sets][signs][channels] */
} bnn_pack_op;

static void bnn_pack(const void *node, const bnn_io *io) {
  const bnn_pack_op *const op = node;
  const size_t channels = (size_t)op->channels, bytes = (channels + 7) / 8;
  size_t pixel;
  int set, first;
  for (set = 0; set < op->sets; ++set) {
    const float *const map = bnn_read(io, set);
    const size_t sign = (size_t)set * (size_t)op->signs;
    for (pixel = 0; pixel < op->pixels; ++pixel)
      for (first = 0; first < op->channels; first += BNN_SOME)
        bnn_put_signs(map + pixel * channels + (size_t)first,
                      bnn_least(BNN_SOME, op->channels - first),
                      op->thresholds + sign * channels + (size_t)first, op->signs, op->channels,
                      io->bits + (sign * op->pixels + pixel) * bytes + (size_t)first / 8,
                      op->pixels * bytes);
  }
}
