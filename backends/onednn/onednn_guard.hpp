// The way into oneDNN: whatever it throws becomes a status here, and nothing of it leaves the
// module.
#pragma once

#include <exception>
#include <new>

#include "backends/onednn/dnnl.hpp"
#include "lib/base/status.hpp"

namespace hadal::onednn {

// Calls op(), which returns a status. `what`: what is being tried, for the message.
template <class Op>
absl::Status guarded(absl::string_view what, Op&& op) {
  try {
    return op();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) {
      return fail(HADAL_E_NO_MEMORY, absl::StrCat(what, ": oneDNN is out of memory"),
                  "Free memory, or ask for a smaller batch.");
    }
    return fail(HADAL_E_INTERNAL, absl::StrCat(what, ": oneDNN: ", error.what()),
                "Set the option backend to cpu.");
  } catch (const std::bad_alloc&) {
    return fail(HADAL_E_NO_MEMORY, absl::StrCat(what, ": out of host memory"),
                "Free memory, or ask for a smaller batch.");
  } catch (const std::exception& bug) {
    return fail(HADAL_E_INTERNAL, absl::StrCat(what, ": ", bug.what()), kNoHint);
  } catch (...) {
    return fail(HADAL_E_INTERNAL, absl::StrCat(what, ": unknown exception"), kNoHint);
  }
}

}  // namespace hadal::onednn
