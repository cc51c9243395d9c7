// The table of options: one line per key with its type, scope, bounds and default; and Config, the
// bag of values that a host fills.
#pragma once

#include <hadal/hadal.h>

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "lib/base/host_table.hpp"
#include "lib/base/status.hpp"

namespace hadal {

struct OptionInfo {
  int32_t key;
  int32_t type;   // HADAL_TYPE_*
  int32_t scope;  // HADAL_SCOPE_*
  const char* name;
  int64_t min_i64, max_i64, default_i64;
  double min_f64, max_f64, default_f64;
  const char* default_str;
  const char* summary;
};

std::span<const OptionInfo> option_table();
const OptionInfo* find_option(int32_t key);
const OptionInfo* find_option(absl::string_view name);

class Config {
 public:
  // E_UNKNOWN_OPTION; E_OUT_OF_RANGE for a value of another type or beyond its bounds. Nothing
  // changes on failure.
  absl::Status set_i64(int32_t key, int64_t value);
  absl::Status set_f64(int32_t key, double value);
  absl::Status set_str(int32_t key, absl::string_view value);

  // Refuses every key that is not of this scope, so that typing errors show.
  absl::Status require_scope(int32_t scope) const;

  bool has(int32_t key) const { return find(key) != nullptr; }
  int64_t i64(int32_t key) const;                    // the default where nothing was set
  double f64(int32_t key) const;                     // the same
  std::string str(int32_t key) const;                // the same
  std::vector<std::string> strs(int32_t key) const;  // of a key that collects: HADAL_OPT_STOP

  // The host's tables; for a runtime only.
  SharedTable<hadal_allocator> allocator;
  SharedTable<hadal_executor> executor;
  SharedTable<hadal_io> io;
  SharedTable<hadal_log_sink> log_sink;

 private:
  using Value = std::variant<int64_t, double, std::vector<std::string>>;
  struct Entry {
    int32_t key;
    Value value;
  };
  const Value* find(int32_t key) const;
  void put(int32_t key, Value value);

  std::vector<Entry> entries_;  // few: searched from the front
};

}  // namespace hadal
