// Whole programs. What runs is checked here and in program.cpp, once; a call only checks its arrays.
#include <nanobind/stl/vector.h>

#include "border.h"
#include "program.h"

namespace nb = nanobind;
using namespace border;

namespace {

using Places = std::vector<int64_t>;

// A program, with the runners that it uses.
struct Ready {
  bnn::Program program;
  std::vector<nb::object> runners;
  mutable bool ran = false;  // or runs now; read and written with the interpreter's lock

  void add(nb::object runner, Places reads, int64_t residual, int64_t floats, int64_t bits) {
    if (ran) throw std::invalid_argument("this program has run, and takes no more ops");
    program.add(nb::cast<const bnn::Runner&>(runner), {std::move(reads), residual, floats, bits});
    runners.push_back(std::move(runner));
  }
};

void make(Ready* self, int64_t height, int64_t width, int64_t channels, int64_t image,
          std::vector<float> mean, std::vector<float> std, int64_t output, int64_t outputs,
          int64_t bytes) {
  for (int64_t side : {height, width, channels})
    if (side < 1 || side > 1 << 16) throw std::invalid_argument("sides are 1 to 65,536");
  for (float s : std)
    if (!(s > 0)) throw std::invalid_argument("a std is above 0");
  new (self) Ready{{{height, width, channels, image, std::move(mean), std::move(std)},
                    {output, outputs}, bytes}, {}};
}

// A call, checked. Images are float32, or uint8 where the program says what these mean; where it
// reads pixels, uint8.
struct Call {
  const bnn::Program& program;
  int64_t batch;
  int threads;
  const float* floats = nullptr;
  const uint8_t* whole = nullptr;
  float* output = nullptr;

  Call(const Ready& ready, int64_t batch, nb::handle images, nb::handle out, int threads)
      : program(ready.program), batch(batch), threads(threads) {
    batch_and_threads(batch, threads);
    const bnn::Image& image = program.image;
    const Sizes sizes{batch, image.height, image.width, image.channels};
    Borrowed borrowed;
    nb::ndarray<nb::ro> array;
    if (program.pixels() ||
        (!image.mean.empty() && nb::ndarray_check(images) && nb::try_cast(images, array) &&
         array.dtype() == nb::dtype<uint8_t>()))
      whole = borrowed.read<uint8_t>(images, "images", sizes);
    else
      floats = borrowed.read<float>(images, "images", sizes);
    output = borrowed.write<float>(out, "output", {batch, program.output.values});
    ready.ran = true;
  }
  void run(int64_t* took = nullptr) const {
    if (whole) return program.run(batch, whole, output, threads, took);
    program.run(batch, floats, output, threads, took);
  }
};

void run(const Ready& ready, int64_t batch, nb::handle images, nb::handle output, int threads) {
  const Call call(ready, batch, images, output, threads);
  const border::Released released;
  call.run();
}

nb::list clock_runs(const Ready& ready, int64_t batch, nb::handle images, nb::handle output,
               int threads, int64_t rounds) {
  const Call call(ready, batch, images, output, threads);
  return timed(rounds, [&] { call.run(); });
}

// The nanoseconds of each node, in each of so many runs.
nb::list clock_nodes(const Ready& ready, int64_t batch, nb::handle images, nb::handle output,
                     int threads, int64_t rounds) {
  const Call call(ready, batch, images, output, threads);
  if (rounds < 1 || rounds > 1 << 16) throw std::invalid_argument("rounds is 1 to 65,536");
  std::vector<std::vector<int64_t>> took(rounds, Places(ready.program.nodes()));
  {
    const border::Released released;
    for (std::vector<int64_t>& round : took) call.run(round.data());
  }
  nb::list out;
  for (const std::vector<int64_t>& round : took) out.append(nb::cast(round));
  return out;
}

}  // namespace

void bind_program(nb::module_& m) {
  nb::class_<Ready>(m, "Program")
      .def("__init__", &make, nb::arg("height"), nb::arg("width"), nb::arg("channels"),
           nb::arg("image"), nb::arg("mean"), nb::arg("std"), nb::arg("output"),
           nb::arg("outputs"), nb::arg("bytes"))
      .def("add", &Ready::add, nb::arg("runner"), nb::arg("reads"), nb::arg("residual"),
           nb::arg("floats"), nb::arg("bits"))
      .def("run", &run, nb::arg("batch"), nb::arg("images").none(), nb::arg("output").none(),
           nb::arg("threads"))
      .def("clock", &clock_runs, nb::arg("batch"), nb::arg("images").none(), nb::arg("output").none(),
           nb::arg("threads"), nb::arg("rounds"))
      .def("clock_nodes", &clock_nodes, nb::arg("batch"), nb::arg("images").none(),
           nb::arg("output").none(), nb::arg("threads"), nb::arg("rounds"));
}
