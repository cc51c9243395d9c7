// See op_times.hpp.
#include "examples/cli/op_times.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace cli {
namespace {

double ratio(double part, double whole) { return whole > 0.0 ? part / whole : 0.0; }

double gb_per_second(const hadal::OpProfile& op) {
  return ratio(static_cast<double>(op.bytes), static_cast<double>(op.ns));
}
double gflop_per_second(const hadal::OpProfile& op) {
  return ratio(2.0 * static_cast<double>(op.multiplications), static_cast<double>(op.ns));
}

// A rate, or a dash where nothing is counted that it could be of.
std::string rate(double value, uint64_t of) {
  char text[32];
  std::snprintf(text, sizeof text, "%9.2f", value);
  return of > 0 ? text : "        -";
}

}  // namespace

void OpTimes::end(const hadal::Model& model, int64_t n_tokens, double seconds) {
  const std::vector<hadal::OpProfile> after = model.profile();
  before_.resize(after.size());  // lines are only ever added, at the end
  ops_.resize(after.size());
  for (size_t i = 0; i < after.size(); ++i) {
    ops_[i].name = after[i].name;
    ops_[i].calls += after[i].calls - before_[i].calls;
    ops_[i].ns += after[i].ns - before_[i].ns;
    ops_[i].bytes += after[i].bytes - before_[i].bytes;
    ops_[i].multiplications += after[i].multiplications - before_[i].multiplications;
  }
  n_tokens_ += n_tokens;
  seconds_ += seconds;
}

std::vector<hadal::OpProfile> OpTimes::by_time() const {
  std::vector<hadal::OpProfile> sorted;
  for (const hadal::OpProfile& op : ops_) {
    if (op.calls > 0) sorted.push_back(op);
  }
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const hadal::OpProfile& a, const hadal::OpProfile& b) { return a.ns > b.ns; });
  return sorted;
}

uint64_t OpTimes::sum_ns() const {
  uint64_t ns = 0;
  for (const hadal::OpProfile& op : ops_) ns += op.ns;
  return ns;
}

double OpTimes::percent_of_wall() const {
  return 100.0 * ratio(static_cast<double>(sum_ns()) / 1e9, seconds_);
}

std::string OpTimes::table(const char* title) const {
  char text[200];
  std::snprintf(text, sizeof text, "\n%-48s %8s %10s %6s %9s %9s\n", title, "calls", "ms/token",
                "%", "GB/s", "GFLOP/s");
  std::string table = text;
  const auto total_ns = static_cast<double>(sum_ns());
  hadal::OpProfile sum{"sum", 0, 0, 0, 0};
  const auto add_line = [&](const hadal::OpProfile& op) {
    const auto ns = static_cast<double>(op.ns);
    std::snprintf(text, sizeof text, "%-48.*s %8llu %10.4f %6.1f %s %s\n",
                  static_cast<int>(op.name.size()), op.name.data(),
                  static_cast<unsigned long long>(op.calls),
                  ratio(ns / 1e6, static_cast<double>(n_tokens_)), 100.0 * ratio(ns, total_ns),
                  rate(gb_per_second(op), op.bytes).c_str(),
                  rate(gflop_per_second(op), op.multiplications).c_str());
    table += text;
  };
  for (const hadal::OpProfile& op : by_time()) {
    add_line(op);
    sum.calls += op.calls;
    sum.ns += op.ns;
    sum.bytes += op.bytes;
    sum.multiplications += op.multiplications;
  }
  add_line(sum);
  table.pop_back();
  std::snprintf(text, sizeof text, "  %.1f %% of the wall time\n", percent_of_wall());
  return table + text;
}

void OpTimes::add_to(Json& runs) const {
  Json ops = Json::array();
  const auto total_ns = static_cast<double>(sum_ns());
  for (const hadal::OpProfile& op : by_time()) {
    const auto ns = static_cast<double>(op.ns);
    ops.push_back({{"op", op.name},
                   {"calls", op.calls},
                   {"ms_per_token", ratio(ns / 1e6, static_cast<double>(n_tokens_))},
                   {"percent", 100.0 * ratio(ns, total_ns)},
                   {"gb_per_second", gb_per_second(op)},
                   {"gflop_per_second", gflop_per_second(op)},
                   {"ns", op.ns},
                   {"bytes", op.bytes},
                   {"multiplications", op.multiplications}});
  }
  runs["profile"] = std::move(ops);
  runs["profile_percent_of_wall"] = percent_of_wall();
}

}  // namespace cli
