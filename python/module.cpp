// Python binding of the verifier (src/verify/verify.h). The batch call releases the GIL and uses all cores.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/parallel.h"
#include "verify/verify.h"

namespace nb = nanobind;
using namespace foil;

NB_MODULE(_core, m) {
  m.doc() = "Exact answer verification";

  nb::class_<verify::Options>(m, "Options")
      .def(
          "__init__",
          [](verify::Options* self, bool percent_is_fraction, bool units_optional, bool round_to_gold, bool ordered_tuples, int64_t budget) {
            new (self) verify::Options;
            self->percent_is_fraction = percent_is_fraction;
            self->units_optional = units_optional;
            self->round_to_gold = round_to_gold;
            self->ordered_tuples = ordered_tuples;
            self->budget = budget;
          },
          nb::kw_only(), nb::arg("percent_is_fraction") = true, nb::arg("units_optional") = true, nb::arg("round_to_gold") = true,
          nb::arg("ordered_tuples") = true, nb::arg("budget") = verify::Options{}.budget)
      .def_rw("percent_is_fraction", &verify::Options::percent_is_fraction)
      .def_rw("units_optional", &verify::Options::units_optional)
      .def_rw("round_to_gold", &verify::Options::round_to_gold)
      .def_rw("ordered_tuples", &verify::Options::ordered_tuples)
      .def_rw("budget", &verify::Options::budget);

  nb::class_<verify::Extracted>(m, "Extracted")
      .def_ro("text", &verify::Extracted::text)
      .def_ro("begin", &verify::Extracted::begin)
      .def_ro("end", &verify::Extracted::end)
      .def_ro("rule", &verify::Extracted::rule)
      .def("__repr__", [](const verify::Extracted& e) { return "Extracted(text='" + e.text + "', rule='" + e.rule + "')"; });

  nb::class_<verify::Verdict>(m, "Verdict")
      .def_prop_ro("outcome", [](const verify::Verdict& v) { return std::string(verify::to_string(v.outcome)); })
      .def_prop_ro("correct", &verify::Verdict::correct)
      .def_ro("rule", &verify::Verdict::rule)
      .def_ro("gold_read", &verify::Verdict::gold_read)
      .def_ro("answer_read", &verify::Verdict::answer_read)
      .def_ro("answer_text", &verify::Verdict::answer_text)
      .def_ro("note", &verify::Verdict::note)
      .def("__bool__", &verify::Verdict::correct)
      .def("__repr__", [](const verify::Verdict& v) {
        return std::string("Verdict(") + verify::to_string(v.outcome) + ", rule='" + v.rule + "', gold='" + v.gold_read + "', answer='" + v.answer_read + "')";
      });

  m.def(
      "verify", [](const std::string& gold, const std::string& text, const verify::Options& options) { return verify::check(gold, text, options); },
      nb::arg("gold"), nb::arg("text"), nb::arg("options") = verify::Options{}, nb::call_guard<nb::gil_scoped_release>());
  m.def(
      "extract", [](const std::string& text) { return verify::extract(text); }, nb::arg("text"));
  m.def(
      "verify_batch",
      [](const std::vector<std::string>& golds, const std::vector<std::string>& texts, const verify::Options& options, int threads) {
        if (golds.size() != texts.size())
          throw nb::value_error(("golds and texts differ in length: " + std::to_string(golds.size()) + " and " + std::to_string(texts.size())).c_str());
        std::vector<verify::Verdict> verdicts(texts.size());
        nb::gil_scoped_release release;
        parallel_for(texts.size(), [&](size_t i) { verdicts[i] = verify::check(golds[i], texts[i], options); }, threads, 64);
        return verdicts;
      },
      nb::arg("golds"), nb::arg("texts"), nb::arg("options") = verify::Options{}, nb::arg("threads") = 0);
}
