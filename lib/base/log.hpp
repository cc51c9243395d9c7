// The log of one runtime: a host's sink, or nothing.
#pragma once

#include <hadal/hadal.h>

#include "absl/strings/string_view.h"
#include "lib/base/host_table.hpp"

namespace hadal {

class Log {
 public:
  Log() = default;  // drops everything
  explicit Log(SharedTable<hadal_log_sink> sink) : sink_(std::move(sink)) {}

  bool wants(int32_t level) const { return sink_ != nullptr && level <= (*sink_)->level; }

  // A record of one line. `category` is the room it comes from: "load", "session" ...
  void write(int32_t level, const char* category, absl::string_view text) const {
    if (wants(level)) {
      (*sink_)->write((*sink_)->user_data, level, category, text.data(), text.size());
    }
  }
  void info(const char* category, absl::string_view text) const {
    write(HADAL_LOG_INFO, category, text);
  }
  void warning(const char* category, absl::string_view text) const {
    write(HADAL_LOG_WARNING, category, text);
  }

 private:
  SharedTable<hadal_log_sink> sink_;
};

}  // namespace hadal
