// Any op by itself, run and timed: on maps (sets, batch, height, width, depth).
#include <cstring>

#include "border.h"
#include "lined.h"
#include "runner.h"

namespace nb = nanobind;
using namespace border;

namespace {

Sizes sizes(const bnn::Maps& maps, int64_t batch) {
  return {maps.sets, batch, maps.height, maps.width, maps.depth};
}

// What a call was given, checked.
struct Given {
  std::vector<const void*> reads;
  bnn::Io io{};

  Given(const bnn::Runner& runner, int64_t batch, nb::handle in, nb::handle residual,
        nb::handle floats, nb::handle bits, int threads) {
    batch_and_threads(batch, threads);
    const bnn::Shapes s = runner.shapes();
    Borrowed borrowed;
    const uint8_t* first =
        s.reads.bits ? borrowed.read<uint8_t>(in, "reads", sizes(s.reads, batch))
                     : reinterpret_cast<const uint8_t*>(
                           borrowed.read<float>(in, "reads", sizes(s.reads, batch)));
    for (int64_t i = 0; i < s.reads.sets; ++i) reads.push_back(first + i * batch * s.reads.bytes());
    io.reads = reads.data();
    if (s.residual.sets)
      io.residual = borrowed.read<float>(residual, "residual", sizes(s.residual, batch));
    if (s.floats.sets)
      io.floats = borrowed.write<float>(floats, "floats", sizes(s.floats, batch),
                                        runner.in_place() ? "residual" : "");
    if (s.bits.sets) io.bits = borrowed.write<uint8_t>(bits, "bits", sizes(s.bits, batch));
  }
};

void step(const bnn::Runner& runner, int64_t batch, nb::handle reads, nb::handle residual,
          nb::handle floats, nb::handle bits, int threads) {
  const Given given(runner, batch, reads, residual, floats, bits, threads);
  const border::Released released;
  runner.run(batch, given.io, threads);
}

// As in a program, what a run reads was written just before; but that is not in its time.
nb::list time_steps(const bnn::Runner& runner, int64_t batch, nb::handle reads,
                    nb::handle residual, nb::handle floats, nb::handle bits, int threads,
                    int64_t rounds) {
  const Given given(runner, batch, reads, residual, floats, bits, threads);
  const bnn::Maps& in = runner.shapes().reads;
  const uint8_t* first = static_cast<const uint8_t*>(given.reads[0]);
  const std::vector<uint8_t> source(first, first + in.sets * batch * in.bytes());
  bnn::Lined<uint8_t> fresh(source.size() + bnn::kCacheLine);
  uint8_t* const to = fresh.data();
  std::vector<const void*> sets;
  for (int64_t i = 0; i < in.sets; ++i) sets.push_back(to + i * batch * in.bytes());
  bnn::Io io = given.io;
  io.reads = sets.data();
  return timed(rounds, [&] { std::memcpy(to, source.data(), source.size()); },
               [&] { runner.run(batch, io, threads); });
}

}  // namespace

void bind_runner(nb::module_& m) {
  nb::class_<bnn::Runner>(m, "Runner")
      .def("step", &step, nb::arg("batch"), nb::arg("reads").none(), nb::arg("residual").none(),
           nb::arg("floats").none(), nb::arg("bits").none(), nb::arg("threads"))
      .def("clock_step", &time_steps, nb::arg("batch"), nb::arg("reads").none(),
           nb::arg("residual").none(), nb::arg("floats").none(), nb::arg("bits").none(),
           nb::arg("threads"), nb::arg("rounds"));
}
