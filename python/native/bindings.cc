// The module _paralleljob_native: the only file that knows pybind11.
#include <pybind11/pybind11.h>
#include <sys/prctl.h>

#include <memory>
#include <string>

#include "columns.h"
#include "loop.h"

namespace py = pybind11;

namespace {

using pj::slot::AppendLines;
using pj::slot::Lines;
using pj::slot::LineStyle;
using pj::slot::RunLoop;

std::unique_ptr<RunLoop> MakeLoop(int socket_fd, int page_fd, const py::object& program) {
  auto loop = std::make_unique<RunLoop>(socket_fd, page_fd, program.ptr());
  if (!loop->ok()) throw py::error_already_set();
  return loop;
}

bool Serve(RunLoop* loop) {
  const RunLoop::End end = loop->Serve();
  if (end == RunLoop::End::kError) throw py::error_already_set();
  return end == RunLoop::End::kShutdown;
}

// bytes, or None when pandas has to write this frame.
py::object FormatColumns(const py::list& columns, size_t rows, char separator, bool quote_return) {
  std::string out;
  const LineStyle style{.separator = separator, .quote_return = quote_return};
  switch (AppendLines(columns.ptr(), rows, style, &out)) {
    case Lines::kDone:
      return py::bytes(out);
    case Lines::kUnknown:
      return py::none();
    case Lines::kError:
      break;
  }
  throw py::error_already_set();
}

}  // namespace

PYBIND11_MODULE(_paralleljob_native, module) {
  module.doc() = "Run loop and row formatting of paralleljob's slots.";
  py::class_<RunLoop>(module, "Loop")
      .def(py::init(&MakeLoop), py::arg("socket_fd"), py::arg("page_fd"), py::arg("program"))
      .def("serve", &Serve, "True after a shutdown message, False when the agent is gone.");
  module.def("format_columns", &FormatColumns, py::arg("columns"), py::arg("rows"),
             py::arg("separator"), py::arg("quote_return"));
  module.def("prctl",
             [](int option, unsigned long value) { return prctl(option, value, 0UL, 0UL, 0UL); });
}
