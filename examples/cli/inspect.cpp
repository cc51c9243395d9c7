// hadal inspect: what a file holds and what memory it takes.
#include <cstdio>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

constexpr size_t kLongestValue = 100;

std::string metadata(const hadal::Model& model, std::string_view key) {
  return std::string(model.metadata(key).value_or("null"));
}

Json parsed(const hadal::Model& model, std::string_view key) {
  return Json::parse(metadata(model, key), nullptr, false);
}

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024.0 && unit + 1 < std::size(kUnits); ++unit) value /= 1024.0;
  char text[40];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

// Long values are cut between characters, and long arrays say how long they are.
std::string shortened(std::string value) {
  const bool is_array = !value.empty() && value[0] == '[';
  if (value.size() <= kLongestValue) return value;
  std::string note = "... (" + std::to_string(value.size()) + " bytes)";
  if (is_array) {
    const Json array = Json::parse(value, nullptr, false);
    if (array.is_array()) note = "... (" + std::to_string(array.size()) + " elements)";
  }
  size_t end = kLongestValue;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  value.resize(end);
  return value + note;
}

// One line, whatever bytes a file puts into its values.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

Json plan_json(const hadal_memory_plan& plan) {
  return {{"host_weights", plan.host_weights}, {"host_cache", plan.host_cache},
          {"host_scratch", plan.host_scratch}, {"mapped", plan.mapped},
          {"host_minimum", plan.host_minimum}, {"host_comfortable", plan.host_comfortable}};
}

std::string heading(const char* text) {
  return styled(text, Style::kBold, stdout_has_colours()) + "\n";
}

std::string describe(const hadal::Model& model, const hadal_memory_plan& plan, bool all_tensors) {
  std::string out = heading("metadata");
  const Json keys = parsed(model, "hadal.keys");
  for (const Json& key : keys) {
    const auto name = key.get<std::string>();
    out += "  " + one_line(name) + " = " + one_line(shortened(metadata(model, name))) + "\n";
  }
  out += heading("shape");
  const Json config = parsed(model, "hadal.config");
  for (const auto& [name, value] : config.items()) {
    out += "  " + name + " = " + value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  struct Sum {
    uint64_t tensors = 0, bytes = 0;
  };
  std::map<std::string, Sum> types;
  std::string lines;
  uint64_t total = 0;
  const Json tensors = parsed(model, "hadal.tensors");
  for (const Json& tensor : tensors) {
    const auto bytes = tensor.value("bytes", uint64_t{0});
    const std::string type = tensor.value("type", std::string());
    ++types[type].tensors;
    types[type].bytes += bytes;
    total += bytes;
    lines += "  " + one_line(tensor.value("name", std::string())) + "  " + type + "  " +
             tensor.value("shape", Json::array()).dump() + "  " + bytes_text(bytes) + "\n";
  }
  out += heading("tensors");
  if (all_tensors) out += lines;
  for (const auto& [type, sum] : types) {
    out += "  " + type + ": " + std::to_string(sum.tensors) + " tensors, " + bytes_text(sum.bytes) +
           "\n";
  }
  out += "  together: " + std::to_string(tensors.size()) + " tensors, " + bytes_text(total) + "\n";

  out += heading("memory");
  out += "  weights mapped from the file  " + bytes_text(plan.mapped) + "\n";
  out += "  weights read into memory      " + bytes_text(plan.host_weights) + "\n";
  out += "  cache at full context         " + bytes_text(plan.host_cache) + "\n";
  out += "  activations and tables        " + bytes_text(plan.host_scratch) + "\n";
  out += "  least that works              " + bytes_text(plan.host_minimum) + "\n";
  out += "  for the full context          " + bytes_text(plan.host_comfortable) + "\n";
  out += "  backend                       " + metadata(model, "hadal.backend") + "\n";
  return out;
}

}  // namespace

void InspectCommand::add_to(CLI::App& app) {
  app.add_flag("--tensors", tensors, "Every tensor, and not only their sums");
  app.add_option("--key", key, "Only this metadata value, whole")->option_text("NAME");
  options.add_model_flags(app);
  options.add_output_flags(app);
}

int InspectCommand::run() {
  options.resolve();
  options.model_options.set_i64(HADAL_OPT_MMAP, 1);  // headers are enough: no weight is read
  Engine engine(options);
  options.model_options.set_i64(HADAL_OPT_MMAP, options.no_mmap() ? 0 : 1);  // for the plan
  const hadal::Model& model = engine.model();
  if (!key.empty()) {
    const auto value = model.metadata(key);
    if (!value) {
      throw Failure(options.model + " has no key '" + key + "'", "hadal inspect lists the keys.");
    }
    write_out(options.json ? json_line({{key, std::string(*value)}}) : std::string(*value) + "\n");
    return kOk;
  }
  const hadal_memory_plan plan = engine.runtime().plan(options.model, options.model_options);
  if (!options.json) {
    write_out(describe(model, plan, tensors));
    return kOk;
  }
  Json values = Json::object();
  for (const Json& name : parsed(model, "hadal.keys")) {
    values[name.get<std::string>()] = metadata(model, name.get<std::string>());
  }
  write_out(json_line({{"metadata", values},
                       {"config", parsed(model, "hadal.config")},
                       {"tensors", parsed(model, "hadal.tensors")},
                       {"memory_plan", plan_json(plan)},
                       {"backend", metadata(model, "hadal.backend")}}));
  return kOk;
}

}  // namespace cli
