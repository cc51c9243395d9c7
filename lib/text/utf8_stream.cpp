#include "lib/text/utf8_stream.hpp"

#include "lib/text/unicode.hpp"

namespace hadal {
namespace {
constexpr absl::string_view kReplacement = "\uFFFD";
}

void Utf8Stream::push(absl::string_view bytes, std::string& out) {
  waiting_.append(bytes.data(), bytes.size());
  absl::string_view rest = waiting_;
  while (!rest.empty()) {
    const Utf8Front front = utf8_front(rest);
    if (front.kind == Utf8Front::kUnfinished) break;
    const absl::string_view one =
        front.kind == Utf8Front::kWhole ? rest.substr(0, front.size) : kReplacement;
    out.append(one.data(), one.size());
    rest.remove_prefix(front.size);
  }
  waiting_.erase(0, waiting_.size() - rest.size());
}

void Utf8Stream::finish(std::string& out) {
  if (!waiting_.empty()) out.append(kReplacement.data(), kReplacement.size());
  waiting_.clear();
}

}  // namespace hadal
