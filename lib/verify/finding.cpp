#include "lib/verify/finding.hpp"

#include "lib/base/json.hpp"
#include "lib/base/utf8.hpp"

namespace hadal {

namespace {

// Names out of files may be any bytes.
std::string as_json(absl::string_view text) { return write_json(Json(to_utf8(text))); }

}  // namespace

// Put together by hand: a JSON object of nlohmann's allocates when it goes, and must not.
std::string finding_json(const Finding& finding) {
  constexpr const char* kLevels[] = {"ok", "note", "warning", "error"};
  return absl::StrCat("{\"check\":", as_json(finding.check),
                      ",\"level\":", as_json(kLevels[static_cast<int>(finding.level)]),
                      ",\"message\":", as_json(finding.message),
                      ",\"hint\":", as_json(finding.hint), "}");
}

void Findings::begin(const char* check) {
  check_ = check;
  n_of_check_ = 0;
}

void Findings::add(Level level, std::string message, std::string hint) {
  if (level == Level::kError) ++n_errors_;
  if (level >= Level::kWarning && ++n_of_check_ > kMostPerCheck) return;
  all_.push_back({check_, level, std::move(message), std::move(hint)});
}

void Findings::end(std::string ok) {
  if (n_of_check_ == 0) add(Level::kOk, std::move(ok), "");
  if (n_of_check_ > kMostPerCheck) {
    add(Level::kNote, absl::StrCat("and ", n_of_check_ - kMostPerCheck, " more of the same kind"),
        "");
  }
  n_of_check_ = 0;
}

}  // namespace hadal
