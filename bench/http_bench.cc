// Load generator for the API port: N keep-alive connections, one request under way on each, driven by one thread.
//
//   http_bench HOST:PORT ACCESS_KEY SECRET identity|put:TABLE|get:TABLE|start:MACHINE_ARN|history:EXECUTION_ARN|events:BUS CONNECTIONS
//   SECONDS|Nx
//
// "Nx" sends N requests, without a warm-up, however long they take. start:… starts executions with 1 KB of input, without a
// name, so that the same signed request starts a new one each time. events:… puts ten events a request (bench/events_bench.py says
// which).
// Requests are signed once a second and sent as they are, so that what is measured is the server and not the client's
// HMACs. Prints one JSON line: requests/s, percentiles in µs, and the answers that were not 200.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "aws/sigv4.h"
#include "base/hash.h"
#include "base/strings.h"

namespace {

using SteadyClock = std::chrono::steady_clock;

// So many requests in turn, with ten events each.
constexpr int kEventRequests = 100;

struct Options {
  std::string host;
  std::uint16_t port = 0;
  std::string access_key;
  std::string secret;
  std::string workload;
  int connections = 1;
  double seconds = 3;
  /// 0: as many as there is time for.
  std::size_t requests = 0;
};

std::string signedRequest(const Options& options, std::string_view service, std::string_view type, std::string_view target,
                          const std::string& body) {
  const auto host = fmt::format("{}:{}", options.host, options.port);
  std::vector<sp::aws::HeaderView> headers = {{"Host", host}, {"Content-Type", type}};
  if (!target.empty()) headers.push_back({"X-Amz-Target", target});
  const sp::aws::SigningCredentials credentials{options.access_key, options.secret, "us-east-1", std::string(service)};
  const auto now = std::chrono::time_point_cast<sp::Duration>(std::chrono::system_clock::now());
  const auto added = sp::aws::signRequest(credentials, {"POST", "/", headers}, sp::sha256Hex(body), now);
  std::string out = "POST / HTTP/1.1\r\n";
  for (const auto& header : headers) out += fmt::format("{}: {}\r\n", header.name, header.value);
  for (const auto& [name, value] : added) out += fmt::format("{}: {}\r\n", name, value);
  return out + fmt::format("Content-Length: {}\r\n\r\n", body.size()) + body;
}

// Requests that are valid now. Items get keys that never come again; a thousand of them are signed a second in advance.
class Requests {
 public:
  explicit Requests(const Options& options) : options_(options) {}

  const std::string& next() {
    const auto now = SteadyClock::now();
    if (made_.empty() || now - signed_at_ > std::chrono::seconds(1)) {
      sign();
      signed_at_ = now;
    }
    return made_[at_++ % made_.size()];
  }

 private:
  void sign() {
    made_.clear();
    if (options_.workload == "identity") {
      made_.push_back(signedRequest(options_, "sts", "application/x-www-form-urlencoded; charset=utf-8", "",
                                    "Action=GetCallerIdentity&Version=2011-06-15"));
      return;
    }
    const auto colon = options_.workload.find(':');
    if (options_.workload.starts_with("start:") || options_.workload.starts_with("history:")) {
      const bool start = options_.workload.starts_with("start:");
      const auto arn = options_.workload.substr(colon + 1);
      const auto body = start ? fmt::format(R"({{"stateMachineArn":"{}","input":"{{\"text\":\"{}\"}}"}})", arn, std::string(1000, 'x'))
                              : fmt::format(R"({{"executionArn":"{}"}})", arn);
      made_.push_back(signedRequest(options_, "states", "application/x-amz-json-1.0",
                                    start ? "AWSStepFunctions.StartExecution" : "AWSStepFunctions.GetExecutionHistory", body));
      return;
    }
    if (options_.workload.starts_with("events:")) {
      for (int i = 0; i < kEventRequests; ++i) {
        std::string entries;
        for (int n = i * 10; n < i * 10 + 10; ++n)
          entries += fmt::format(
              R"({}{{"EventBusName":"{}","Source":"my.app","DetailType":"type-{}","Detail":"{{\"level\":\"{}\",\"n\":{},\"wanted\":{},\"text\":\"{}\"}}"}})",
              entries.empty() ? "" : ",", options_.workload.substr(colon + 1), n, n % 2 == 0 ? "error" : "info", n, n % 100 == 0,
              std::string(100, 'x'));
        made_.push_back(signedRequest(options_, "events", "application/x-amz-json-1.1", "AWSEvents.PutEvents",
                                      fmt::format(R"({{"Entries":[{}]}})", entries)));
      }
      return;
    }
    const auto table = options_.workload.substr(colon + 1);
    const bool put = options_.workload.starts_with("put");
    const std::string filler(1000, 'x');
    for (int i = 0; i < 500; ++i, ++serial_) {
      const auto body =
          put ? fmt::format(R"({{"TableName":"{}","Item":{{"id":{{"S":"k{:09}"}},"v":{{"S":"{}"}}}}}})", table, serial_, filler)
              : fmt::format(R"({{"TableName":"{}","Key":{{"id":{{"S":"k{:09}"}}}}}})", table, serial_ % 1000);
      made_.push_back(signedRequest(options_, "dynamodb", "application/x-amz-json-1.0",
                                    put ? "DynamoDB_20120810.PutItem" : "DynamoDB_20120810.GetItem", body));
    }
  }

  const Options& options_;
  std::vector<std::string> made_;
  SteadyClock::time_point signed_at_;
  std::size_t at_ = 0;
  int serial_ = 0;
};

struct Connection {
  int fd = -1;
  std::string in;
  SteadyClock::time_point sent;
};

[[noreturn]] void die(const std::string& message) {
  fmt::print(stderr, "http_bench: {}\n", message);
  std::exit(1);
}

int connectTo(const Options& options) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  inet_pton(AF_INET, options.host.c_str(), &address.sin_addr);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    die("cannot connect: " + std::string(std::strerror(errno)));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Small requests always fit the socket's buffer.
void send(Connection& connection, const std::string& request) {
  connection.sent = SteadyClock::now();
  if (::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    die("a request was not taken whole");
}

// The length of a complete answer at the front, else 0.
std::size_t completeAnswer(std::string_view in) {
  const auto end = in.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const auto at = in.find("Content-Length: ");
  std::size_t length = 0;
  if (at != std::string_view::npos && at < end) std::from_chars(in.data() + at + 16, in.data() + end, length);
  return in.size() >= end + 4 + length ? end + 4 + length : 0;
}

struct Outcome {
  std::vector<double> us;
  std::size_t errors = 0;
  std::string first_error;
  double seconds = 0;
};

Outcome run(const Options& options, double seconds) {
  Requests requests(options);
  std::vector<Connection> connections(static_cast<std::size_t>(options.connections));
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < connections.size(); ++i) {
    connections[i].fd = connectTo(options);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &event);
  }
  Outcome outcome;
  outcome.us.reserve(1 << 20);
  const auto start = SteadyClock::now();
  const auto until = start + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  for (auto& connection : connections) send(connection, requests.next());
  auto sent = connections.size();
  std::array<epoll_event, 256> events{};
  std::array<char, 16384> buffer{};
  for (bool running = true; running;) {
    const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 5000);
    if (ready <= 0) die("no answer within 5 seconds");
    for (int i = 0; i < ready; ++i) {
      auto& connection = connections[events[static_cast<std::size_t>(i)].data.u64];
      const auto got = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) die("the server closed a connection");
      connection.in.append(buffer.data(), static_cast<std::size_t>(got));
      const auto length = completeAnswer(connection.in);
      if (length == 0) continue;
      const auto now = SteadyClock::now();
      outcome.us.push_back(std::chrono::duration<double, std::micro>(now - connection.sent).count());
      if (!connection.in.starts_with("HTTP/1.1 200 ") && ++outcome.errors == 1) outcome.first_error = connection.in.substr(0, length);
      connection.in.erase(0, length);
      if (options.requests > 0 ? sent < options.requests : now < until) send(connection, requests.next()), ++sent;
      if (options.requests > 0) running = outcome.us.size() < options.requests;
      else running = now < until;
    }
  }
  outcome.seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
  for (auto& connection : connections) ::close(connection.fd);
  ::close(poll);
  return outcome;
}

double percentile(const std::vector<double>& sorted, double part) {
  return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) die("use: http_bench HOST:PORT ACCESS_KEY SECRET WORKLOAD CONNECTIONS SECONDS|Nx");
  Options options;
  const std::string_view where = argv[1];
  const auto colon = where.rfind(':');
  options.host = where.substr(0, colon);
  options.port = static_cast<std::uint16_t>(sp::parseInt(where.substr(colon + 1)).value_or(0));
  options.access_key = argv[2];
  options.secret = argv[3];
  options.workload = argv[4];
  options.connections = static_cast<int>(sp::parseInt(argv[5]).value_or(1));
  const std::string_view length = argv[6];
  if (length.ends_with('x')) options.requests = static_cast<std::size_t>(sp::parseInt(length.substr(0, length.size() - 1)).value_or(1));
  else options.seconds = std::strtod(argv[6], nullptr);
  if (options.requests == 0) (void)run(options, std::min(1.0, options.seconds / 4));
  auto outcome = run(options, options.seconds);
  if (outcome.errors > 0) fmt::print(stderr, "first answer that was not 200:\n{}\n", outcome.first_error);
  std::ranges::sort(outcome.us);
  fmt::print("{{\"workload\":\"{}\",\"connections\":{},\"per_second\":{:.0f},\"p50_us\":{:.0f},\"p99_us\":{:.0f},\"errors\":{}}}\n",
             options.workload, options.connections, static_cast<double>(outcome.us.size()) / outcome.seconds, percentile(outcome.us, 0.5),
             percentile(outcome.us, 0.99), outcome.errors);
  return outcome.errors == 0 ? 0 : 1;
}
