// Many agents in one process, true to the protocol: each has its own certificate and connection, says hello, accepts a command,
// answers it, keeps the answer until the server has settled it, sends it again after each welcome, dials again after jittered
// back-off. Only the script is missing: every command ends at once.
//
//   fleet_agents make DIR COUNT            (server stopped) writes COUNT running machines with tag bench=1 into DIR/store.db
//   fleet_agents run DIR COUNT HOST PORT   connects them; reads "status" lines and answers each with one line of JSON, ends with its input
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/clock.h"
#include "base/random.h"
#include "fleet/authority.h"
#include "fleet/openssl.h"
#include "model/instance.h"
#include "net/frame_reader.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::bench {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

std::string instanceId(std::size_t number) { return fmt::format("i-{:017x}", 0xbe7c0000ULL + number); }

[[noreturn]] void die(const std::string& what) {
  std::cerr << "fleet_agents: " << what << "\n";
  std::exit(1);
}

int make(const std::string& dir, std::size_t count) {
  auto store = store::openSqlite(dir + "/store.db");
  if (!store) die(store.error().text());
  const auto now = SystemClock().now();
  const store::Job write = [&](store::Txn& txn) {
    for (std::size_t i = 0; i < count; ++i) {
      Instance one;
      one.id = instanceId(i);
      one.reservation_id = fmt::format("r-{:017x}", i);
      one.image_id = "ami-bare";
      one.instance_type = "t3.micro";
      one.state = InstanceState::running;
      one.reached_running = true;
      one.tags = {{"bench", "1"}, {"Name", fmt::format("bench-{}", i)}};
      one.launched = one.created = now;
      txn.records().put("instance", one.id, json::toText(one.encode()));
    }
    return true;
  };
  if (auto written = (*store)->run({write}, now); !written) die(written.error().text());
  return 0;
}

struct Counts {
  std::size_t welcomed = 0;  // connected now, with the server's welcome
  std::size_t welcomes = 0;  // in all
  std::size_t failures = 0;  // connections that ended or never came to be
  std::size_t runs = 0;      // commands "run"
  std::size_t doubled = 0;   // requests that came again after they had been run: answered, not run
  std::size_t rerun = 0;     // of them, such as were settled before: must not be
  std::size_t settled = 0;
};

class Swarm;

class Agent {
 public:
  Agent(Swarm& swarm, std::string name, const fleet::IssuedCertificate& own);

  /// Begins to dial; false when it failed at once.
  bool dial(SSL_CTX* context, const sockaddr_in& server, int epoll, std::size_t number);
  /// False: the connection is of no use any more.
  bool ready(std::uint32_t events);
  void finishScripts();
  bool flush();
  void close();
  bool open() const { return fd_ >= 0; }
  std::size_t held() const { return results_.size(); }
  /// Full jitter, as the agent's.
  std::chrono::milliseconds nextDelay(Random& random);
  bool lateWithHandshake(SteadyTime now) const { return open() && !welcomed_ && now - dialled_ > std::chrono::seconds(5); }

 private:
  bool shake();
  bool read();
  void take(const json::Object& message);
  void queue(const json::Object& message) { out_ += *agentwire::frame(message); }
  void hello();

  Swarm& swarm_;
  std::string name_;
  fleet::X509Ptr cert_;
  fleet::PkeyPtr key_;
  fleet::SslPtr ssl_;
  int fd_ = -1;
  bool connected_ = false;
  bool shaken_ = false;
  bool welcomed_ = false;
  int failures_ = 0;
  SteadyTime dialled_;
  std::unique_ptr<net::FrameReader> in_;
  std::string out_;
  /// The journal: what was run, and its answer until it is settled.
  std::map<std::string, json::Object> results_;
  std::set<std::string> settled_;
  std::vector<std::string> running_;
};

class Swarm {
 public:
  Swarm(const std::string& dir, std::size_t count, const std::string& host, int port) {
    auto authority = fleet::Authority::open(dir + "/ca", random_);
    if (!authority) die(authority.error().text());
    server_.sin_family = AF_INET;
    server_.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET, host.c_str(), &server_.sin_addr) != 1) die("HOST must be an IPv4 address");
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    if (SSL_CTX_load_verify_locations(context_.get(), (dir + "/ca/ca.pem").c_str(), nullptr) != 1) die("cannot read the CA");
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    agents_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto own = (*authority)->issueAgent(instanceId(i));
      if (!own) die(own.error().text());
      agents_.emplace_back(*this, instanceId(i), *own);
    }
  }

  void run() {
    std::cout << "{\"certificates\":" << agents_.size() << "}" << std::endl;
    epoll_event input{EPOLLIN, {.u64 = kInput}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, 0, &input);
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < agents_.size(); ++i) due_.emplace(begin, i);
    std::array<epoll_event, 256> events{};
    auto looked = begin;
    while (true) {
      const int got = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait());
      for (int i = 0; i < got; ++i) {
        const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
        if (tag == kInput) {
          if (!command()) return;
        } else if (!agents_[tag].ready(events[static_cast<std::size_t>(i)].events)) {
          lost(tag);
        }
      }
      // A script's end is a message of its own, as it is with a real one.
      for (auto* agent : std::exchange(running, {})) agent->finishScripts();
      const auto now = std::chrono::steady_clock::now();
      for (int dials = 0; dials < 64 && !due_.empty() && due_.top().first <= now; ++dials) {
        const auto number = due_.top().second;
        due_.pop();
        if (!agents_[number].dial(context_.get(), server_, epoll_, number)) lost(number);
      }
      if (now - looked > std::chrono::milliseconds(500)) {
        looked = now;
        for (std::size_t i = 0; i < agents_.size(); ++i)
          if (agents_[i].lateWithHandshake(now)) lost(i);
      }
    }
  }

  Counts counts;
  std::vector<Agent*> running;

 private:
  static constexpr std::uint64_t kInput = ~0ULL;

  int wait() const {
    if (due_.empty()) return 500;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_.top().first - std::chrono::steady_clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 500));
  }

  void lost(std::size_t number) {
    ++counts.failures;
    agents_[number].close();
    due_.emplace(std::chrono::steady_clock::now() + agents_[number].nextDelay(random_), number);
  }

  bool command() {
    std::array<char, 256> line{};
    const auto got = ::read(0, line.data(), line.size());
    if (got <= 0) return false;
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    std::size_t held = 0;
    for (const auto& agent : agents_) held += agent.held();
    std::cout
        << fmt::format(
               R"({{"welcomed":{},"welcomes":{},"failures":{},"runs":{},"doubled":{},"rerun":{},"settled":{},"held":{},"cpu":{:.3f}}})",
               counts.welcomed, counts.welcomes, counts.failures, counts.runs, counts.doubled, counts.rerun, counts.settled, held,
               seconds(usage.ru_utime) + seconds(usage.ru_stime))
        << std::endl;
    return true;
  }

  SystemRandom random_;
  sockaddr_in server_{};
  fleet::SslContextPtr context_;
  int epoll_ = -1;
  std::vector<Agent> agents_;
  using Due = std::pair<SteadyTime, std::size_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

Agent::Agent(Swarm& swarm, std::string name, const fleet::IssuedCertificate& own) : swarm_(swarm), name_(std::move(name)) {
  const fleet::BioPtr cert(BIO_new_mem_buf(own.cert.data(), static_cast<int>(own.cert.size())));
  const fleet::BioPtr key(BIO_new_mem_buf(own.key.data(), static_cast<int>(own.key.size())));
  cert_.reset(PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr));
  key_.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
}

bool Agent::dial(SSL_CTX* context, const sockaddr_in& server, int epoll, std::size_t number) {
  dialled_ = std::chrono::steady_clock::now();
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) die(fmt::format("no socket for {}: errno {}; see `ulimit -n`", name_, errno));
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0 && errno != EINPROGRESS) return false;
  ssl_.reset(SSL_new(context));
  SSL_use_certificate(ssl_.get(), cert_.get());
  SSL_use_PrivateKey(ssl_.get(), key_.get());
  SSL_set1_host(ssl_.get(), "stillpoint");
  const auto offered = static_cast<char>(agentwire::kAlpn.size()) + std::string(agentwire::kAlpn);
  SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(offered.data()), static_cast<unsigned>(offered.size()));
  SSL_set_fd(ssl_.get(), fd_);
  SSL_set_read_ahead(ssl_.get(), 1);
  SSL_set_connect_state(ssl_.get());
  in_ = std::make_unique<net::FrameReader>(agentwire::kFrameMax);
  epoll_event event{EPOLLIN | EPOLLOUT | EPOLLET, {.u64 = number}};
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd_, &event) == 0;
}

void Agent::close() {
  if (welcomed_) --swarm_.counts.welcomed;
  ssl_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  if (welcomed_) failures_ = 0;
  connected_ = shaken_ = welcomed_ = false;
  out_.clear();
  in_.reset();
}

std::chrono::milliseconds Agent::nextDelay(Random& random) {
  const auto limit = std::min(5'000.0, 100.0 * std::pow(1.5, failures_));
  ++failures_;
  return std::chrono::milliseconds(random.below(static_cast<std::uint64_t>(limit)) + 1);
}

bool Agent::ready(std::uint32_t events) {
  if (!open()) return true;  // an event of a connection that was given up in this round
  if (!connected_) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0U) return false;
    if ((events & EPOLLOUT) == 0U) return true;
    connected_ = true;
  }
  if (!shaken_) return shake();
  return read() && flush();
}

bool Agent::shake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done != 1) {
    const int why = SSL_get_error(ssl_.get(), done);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
  }
  shaken_ = true;
  hello();
  return flush() && read() && flush();
}

void Agent::hello() {
  json::Array open;
  for (const auto& [id, result] : results_) open.emplace_back(id);
  queue({{"type", agentwire::kHello},
         {"agent", name_},
         {"bootId", "00000000-0000-4000-8000-000000000000"},
         {"version", 1},
         {"hostname", name_},
         {"open", std::move(open)}});
}

bool Agent::read() {
  std::array<char, 16384> buffer;
  while (true) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (got <= 0) {
      const int why = SSL_get_error(ssl_.get(), got);
      return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    }
    in_->append({buffer.data(), static_cast<std::size_t>(got)});
    while (true) {
      const auto frame = in_->next();
      if (!frame) die(frame.error().text());
      if (!*frame) break;
      const auto message = json::parse(**frame);
      if (!message || !message->is_object()) die("the server sent something that is no object");
      take(message->get_object());
    }
  }
}

bool Agent::flush() {
  while (!out_.empty()) {
    ERR_clear_error();
    const int sent = SSL_write(ssl_.get(), out_.data(), static_cast<int>(out_.size()));
    if (sent <= 0) {
      const int why = SSL_get_error(ssl_.get(), sent);
      return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    }
    out_.erase(0, static_cast<std::size_t>(sent));
  }
  return true;
}

void Agent::take(const json::Object& message) {
  const auto type = json::textOr(message, "type");
  const auto id = json::textOr(message, "id");
  if (type == agentwire::kWelcome) {
    welcomed_ = true;
    ++swarm_.counts.welcomed;
    ++swarm_.counts.welcomes;
    for (const auto& [open, result] : results_)
      if (!result.empty()) queue(result);
  } else if (type == agentwire::kPing) {
    queue({{"type", agentwire::kPong}});
  } else if (type == agentwire::kSettled) {
    if (results_.erase(id) > 0) {
      ++swarm_.counts.settled;
      settled_.insert(id);
    }
  } else if (type == agentwire::kCommandRun) {
    if (const auto done = results_.find(id); done != results_.end()) {
      ++swarm_.counts.doubled;
      queue(done->second.empty() ? json::Object{{"type", agentwire::kAccepted}, {"id", id}} : done->second);
      return;
    }
    if (settled_.contains(id)) ++swarm_.counts.rerun;
    ++swarm_.counts.runs;
    // No "accepted": as an agent's outbox does it, the answer is there before that would go.
    results_[id];
    running_.push_back(id);
    swarm_.running.push_back(this);
  } else if (!id.empty()) {
    queue({{"type", agentwire::kRefused}, {"id", id}, {"message", "this agent runs commands only"}});
  }
}

void Agent::finishScripts() {
  for (const auto& id : std::exchange(running_, {})) {
    json::Array steps;
    steps.push_back(json::Object{{"name", "aws:runShellScript"},
                                 {"plugin", "aws:runShellScript"},
                                 {"status", "Success"},
                                 {"exitCode", 0},
                                 {"stdout", "done\n"},
                                 {"stderr", ""},
                                 {"stdoutBytes", 5},
                                 {"stderrBytes", 0},
                                 {"sinceStartMs", 0},
                                 {"durationMs", 1}});
    auto& result = results_[id];
    result = {{"type", agentwire::kCommandResult}, {"id", id}, {"status", "Success"}, {"fate", "known"}, {"steps", std::move(steps)}};
    if (welcomed_) queue(result);
  }
  // What it could not send is sent after the next welcome; a lost connection shows in its next event.
  if (shaken_) static_cast<void>(flush());
}

}  // namespace
}  // namespace sp::bench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  std::signal(SIGPIPE, SIG_IGN);
  if (words.size() == 3 && words[0] == "make") return sp::bench::make(words[1], std::strtoul(words[2].c_str(), nullptr, 10));
  if (words.size() != 5 || words[0] != "run") {
    std::cerr << "usage: fleet_agents make DIR COUNT | run DIR COUNT HOST PORT\n";
    return 2;
  }
  const auto count = std::strtoul(words[2].c_str(), nullptr, 10);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < count + 32)
    sp::bench::die(fmt::format("{} agents need {} open files, the hard limit is {}", count, count + 32, limit.rlim_max));
  sp::bench::Swarm swarm(words[1], count, words[3], std::atoi(words[4].c_str()));
  swarm.run();
  return 0;
}
