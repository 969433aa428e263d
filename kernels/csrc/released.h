// The interpreter's lock, let go while the core computes.
#pragma once

#include <nanobind/nanobind.h>

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include <atomic>
#include <chrono>
#include <thread>

namespace border {

// Where the interpreter ends while threads that it does not wait for are in here, it would end them
// as they take its lock: in the midst of C++, which ends the whole process with an error. They wait
// for that end instead, all but the one that brings it about.
class Released {
 public:
  Released() : state_(PyEval_SaveThread()) {}
  Released(const Released&) = delete;
  ~Released() {
    ++returning();
    if (ended() && std::this_thread::get_id() != last()) {
      --returning();
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
    PyEval_RestoreThread(state_);
    --returning();
  }

  // Once, when the module is loaded.
  static void watch() {
#if !defined(_WIN32)
    pthread_atfork(nullptr, nullptr, [] { returning() = 0; });  // a child has none of those threads
#endif
    nanobind::module_::import_("atexit").attr("register")(nanobind::cpp_function(&ending));
  }

 private:
  static void ending() {
    nanobind::set_leak_warnings(false);  // of what threads hold that never come back
    last() = std::this_thread::get_id();
    ended() = true;
    PyThreadState* const state = PyEval_SaveThread();
    while (returning()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    PyEval_RestoreThread(state);
  }
  static std::atomic<int>& returning() {
    static std::atomic<int> count{0};
    return count;
  }
  static std::atomic<bool>& ended() {
    static std::atomic<bool> yes{false};
    return yes;
  }
  static std::thread::id& last() {
    static std::thread::id one;
    return one;
  }

  PyThreadState* const state_;
};

}  // namespace border
