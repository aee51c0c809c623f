#include "net/web_client.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include "base/strings.h"

namespace sp::net {
namespace {

constexpr int kLongestWaitMs = 60'000;

/// What is used of libcurl.
struct Curl {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;
  decltype(&curl_multi_init) multi_init = nullptr;
  decltype(&curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&curl_multi_perform) multi_perform = nullptr;
  decltype(&curl_multi_info_read) multi_info_read = nullptr;
  decltype(&curl_multi_poll) multi_poll = nullptr;
  decltype(&curl_multi_wakeup) multi_wakeup = nullptr;

  /// Once for the process, which keeps it.
  static Result<const Curl*> open() {
    static const auto opened = load();
    if (!opened) return std::unexpected(opened.error());
    return &*opened;
  }

 private:
  template <class Function>
  static bool find(void* library, const char* name, Function& out) {
    out = reinterpret_cast<Function>(::dlsym(library, name));
    return out != nullptr;
  }
  static Result<Curl> load() {
    auto* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return fail("net.library", fmt::format("libcurl.so.4 cannot be opened (package libcurl4): {}", ::dlerror()));
    Curl c;
    const bool all = find(library, "curl_global_init", c.global_init) && find(library, "curl_easy_init", c.easy_init) &&
                     find(library, "curl_easy_setopt", c.easy_setopt) && find(library, "curl_easy_getinfo", c.easy_getinfo) &&
                     find(library, "curl_easy_cleanup", c.easy_cleanup) && find(library, "curl_easy_strerror", c.easy_strerror) &&
                     find(library, "curl_slist_append", c.slist_append) && find(library, "curl_slist_free_all", c.slist_free_all) &&
                     find(library, "curl_multi_init", c.multi_init) && find(library, "curl_multi_cleanup", c.multi_cleanup) &&
                     find(library, "curl_multi_add_handle", c.multi_add_handle) &&
                     find(library, "curl_multi_remove_handle", c.multi_remove_handle) &&
                     find(library, "curl_multi_perform", c.multi_perform) && find(library, "curl_multi_info_read", c.multi_info_read) &&
                     find(library, "curl_multi_poll", c.multi_poll) && find(library, "curl_multi_wakeup", c.multi_wakeup);
    if (!all || c.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fail("net.library", "libcurl.so.4 is too old or cannot be used");
    return c;
  }
};

std::string errorCode(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return "net.timeout";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT: return "net.connect";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return "net.tls";
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return "net.closed";
    default: return "net.protocol";
  }
}

bool isToken(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kMarks.find(c) != std::string_view::npos;
  });
}

// Nothing in it ends a line of the head before its time.
Result<void> checkHead(const WebRequest& request) {
  if (!isToken(request.method)) return fail("net.protocol", "the request's method is no token");
  for (const auto& header : request.headers) {
    if (!isToken(header.name)) return fail("net.protocol", "the name of one of the request's headers is no token");
    if (header.value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      return fail("net.protocol", fmt::format("the request's header {} has a line break or a NUL in its value", header.name));
  }
  return {};
}

class Client final : public WebClient {
 public:
  explicit Client(std::string ca_file) : ca_file_(std::move(ca_file)) {}
  ~Client() override { stop(); }

  void send(WebRequest request, Told told) override {
    auto transfer = std::make_unique<Transfer>();
    transfer->request = std::move(request);
    transfer->told = std::move(told);
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    waiting_.push_back(std::move(transfer));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    wake();
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(stopping_, true)) return;
      wake();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Transfer {
    WebRequest request;
    Told told;
    Response response;
    /// What was read, and how many lines of it were headers.
    std::size_t body_bytes = 0;
    std::size_t head_bytes = 0;
    std::size_t head_lines = 0;
    /// There was more than is read.
    bool cut = false;
    /// An answer has begun that is not a proxy's.
    bool begun = false;
    curl_slist* headers = nullptr;
    std::array<char, CURL_ERROR_SIZE> problem{};
  };

  static std::size_t onHeader(char* data, std::size_t size, std::size_t count, void* to) {
    auto& transfer = *static_cast<Transfer*>(to);
    transfer.head_bytes += size * count;
    if (++transfer.head_lines > WebRequest::kMostHeadLines || transfer.head_bytes > WebRequest::kMostHead) {
      transfer.cut = true;
      return 0;
    }
    const auto line = trim(std::string_view(data, size * count));
    // Of each answer, those that only tell of another (100 Continue) too.
    if (line.starts_with("HTTP/")) {
      transfer.begun = true;
      transfer.response.headers.clear();
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
      transfer.response.headers.push_back({std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
    }
    return size * count;
  }

  static std::size_t onBody(char* data, std::size_t size, std::size_t count, void* to) {
    auto& transfer = *static_cast<Transfer*>(to);
    const auto room = transfer.request.body_limit - transfer.body_bytes;
    const auto taken = std::min(room, size * count);
    transfer.body_bytes += taken;
    if (!transfer.request.status_only) transfer.response.body.append(data, taken);
    if (taken == size * count) return taken;
    transfer.cut = true;
    return 0;
  }

  /// With the lock.
  void wake() {
    if (multi_ != nullptr) curl_->multi_wakeup(multi_);
    wake_.notify_one();
  }

  void run() {
    const auto opened = Curl::open();
    if (!opened) return refuseAll(opened.error());
    const Curl& curl = **opened;
    auto* multi = curl.multi_init();
    if (multi == nullptr) return refuseAll({"net.library", "libcurl has no memory", {}, nullptr});
    {
      const std::lock_guard lock(mutex_);
      curl_ = &curl;
      multi_ = multi;
    }
    while (true) {
      std::deque<std::unique_ptr<Transfer>> fresh;
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) break;
        fresh.swap(waiting_);
      }
      for (auto& transfer : fresh) begin(curl, multi, std::move(transfer));
      int running = 0;
      curl.multi_perform(multi, &running);
      int left = 0;
      while (auto* message = curl.multi_info_read(multi, &left))
        if (message->msg == CURLMSG_DONE) end(curl, multi, message->easy_handle, message->data.result);
      curl.multi_poll(multi, nullptr, 0, kLongestWaitMs, nullptr);
    }
    for (auto& [easy, transfer] : running_) {
      curl.multi_remove_handle(multi, easy);
      curl.easy_cleanup(easy);
      curl.slist_free_all(transfer->headers);
    }
    running_.clear();
    const std::lock_guard lock(mutex_);
    multi_ = nullptr;
    curl.multi_cleanup(multi);
  }

  // Without libcurl: each as it comes.
  void refuseAll(const Error& error) {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      auto fresh = std::exchange(waiting_, {});
      lock.unlock();
      for (auto& transfer : fresh) transfer->told(std::unexpected(error));
      lock.lock();
    }
  }

  void begin(const Curl& curl, CURLM* multi, std::unique_ptr<Transfer> transfer) {
    if (const auto good = checkHead(transfer->request); !good) return transfer->told(std::unexpected(good.error()));
    auto* easy = curl.easy_init();
    auto& t = *transfer;
    const auto& r = t.request;
    const auto refuse = [&](const char* why) {
      curl.easy_cleanup(easy);
      curl.slist_free_all(t.headers);
      t.told(fail("net.library", why));
    };
    if (easy == nullptr) return refuse("libcurl has no memory");
    const auto append = [&](const std::string& line) {
      auto* longer = curl.slist_append(t.headers, line.c_str());
      if (longer != nullptr) t.headers = longer;
      return longer != nullptr;
    };
    for (const auto& header : r.headers)
      if (!append(header.value.empty() ? header.name + ";" : header.name + ": " + header.value)) return refuse("libcurl has no memory");
    // It would wait for an answer to the head alone.
    if (!append("Expect:")) return refuse("libcurl has no memory");
    curl.easy_setopt(easy, CURLOPT_URL, r.url.c_str());
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r.method.c_str());
    if (r.has_body) {
      curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
      curl.easy_setopt(easy, CURLOPT_POSTFIELDS, r.body.c_str());
    } else if (r.method == "HEAD") {
      curl.easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl.easy_setopt(easy, CURLOPT_HTTPHEADER, t.headers);
    if (!r.status_only) curl.easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip,deflate");
    // What a proxy says before the answer is none.
    curl.easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl.easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // A name server that hangs is left to a thread of its own: without this all would wait for its answer when the time is over.
    curl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(r.timeout_ms));
    curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, t.problem.data());
    if (r.direct) curl.easy_setopt(easy, CURLOPT_PROXY, "");
    // Beside it the folder of the system's authorities stays in force.
    if (!ca_file_.empty()) curl.easy_setopt(easy, CURLOPT_CAINFO, ca_file_.c_str());
    curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Client::onHeader);
    curl.easy_setopt(easy, CURLOPT_HEADERDATA, &t);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Client::onBody);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, &t);
    if (const auto added = curl.multi_add_handle(multi, easy); added != CURLM_OK)
      return refuse(added == CURLM_OUT_OF_MEMORY ? "libcurl has no memory" : "libcurl does not take the request");
    running_.emplace(easy, std::move(transfer));
  }

  void end(const Curl& curl, CURLM* multi, CURL* easy, CURLcode code) {
    auto transfer = std::move(running_.at(easy));
    running_.erase(easy);
    long status = 0;
    curl.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl.multi_remove_handle(multi, easy);
    curl.easy_cleanup(easy);
    curl.slist_free_all(transfer->headers);
    if (transfer->cut && transfer->request.whole)
      return transfer->told(
          fail("net.too_large", fmt::format("the answer is larger than {} bytes, or has more than {} bytes or {} lines "
                                            "of headers",
                                            transfer->request.body_limit, WebRequest::kMostHead, WebRequest::kMostHeadLines)));
    const bool known = transfer->begun && status >= 200;
    if (code == CURLE_OK || (known && (transfer->cut || transfer->request.status_only))) {
      transfer->response.status = static_cast<int>(status);
      return transfer->told(std::move(transfer->response));
    }
    const std::string_view said(transfer->problem.data());
    transfer->told(std::unexpected(Error{errorCode(code), std::string(said.empty() ? curl.easy_strerror(code) : said), {}, nullptr}));
  }

  const std::string ca_file_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Transfer>> waiting_;
  bool stopping_ = false;
  /// Set while the thread runs.
  const Curl* curl_ = nullptr;
  CURLM* multi_ = nullptr;
  std::thread thread_;
  /// The thread's own.
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> running_;
};

}  // namespace

std::unique_ptr<WebClient> WebClient::make(std::string ca_file) { return std::make_unique<Client>(std::move(ca_file)); }

}  // namespace sp::net
