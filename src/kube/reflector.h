// Reflector: keeps a copy of one resource's objects up to date: a list, then watches, for ever. A
// state machine whose every step can be watched and, on a clock moved by hand, tested.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/backoff.h"
#include "kube/api.h"

namespace pj::kube {

// Where the objects go. Called by the reflector's thread only. A list comes as BeginList,
// ListItem …, EndList; one given up is begun again. What EndList did not bring is gone.
class ReflectorSink {
 public:
  virtual ~ReflectorSink() = default;
  virtual void BeginList() = 0;
  virtual Status ListItem(std::string_view object) = 0;
  virtual void EndList(const std::string& version) = 0;
  // One event; `version` is the object's. An error leaves the sink as it was.
  virtual Status Apply(WatchEvent::Type type, std::string_view object,
                       const std::string& version) = 0;
  // Everything up to `version` has been seen (a bookmark).
  virtual void Reach(const std::string& version) = 0;
};

struct ReflectorOptions {
  ResourceType type = {};
  std::string ns = {};  // empty: all namespaces
  std::string label_selector = {};
  std::string field_selector = {};
  const Clock* clock = nullptr;  // null: SystemClock()
  uint64_t seed = 1;             // of jitter and watch times; different in each process
  int page_size = 500;
  Seconds min_watch{300};  // each watch lasts a random time in between, by the server's clock
  Seconds max_watch{600};
  Seconds silence{150};  // bookmarks come about each minute: a quieter watch is dead
};

enum class ReflectorState {
  kListing,     // next: a page of the list
  kOpening,     // next: a watch from the version reached
  kWatching,    // next: an event
  kBackingOff,  // waits, then goes on where it failed
};

// What has happened so far, for metrics and tests.
struct ReflectorStats {
  ReflectorState state = ReflectorState::kListing;
  bool synced = false;       // the first list is complete
  std::string version = {};  // reached
  uint64_t lists = 0;        // complete ones
  uint64_t watches = 0;      // opened
  uint64_t events = 0;       // without bookmarks
  uint64_t expired = 0;      // 410: list again
  uint64_t silent = 0;       // dead connections
  uint64_t failures = 0;     // everything that led to a back-off
  uint64_t undecodable = 0;  // objects that the sink refused
  std::string last_error = {};
};

// Step by one thread, the rest by any. `api` and `sink` live longer.
class Reflector {
 public:
  Reflector(Api& api, ReflectorSink& sink, ReflectorOptions options);

  // Does what is due. Waits at most `wait` for an event or the end of a back-off (requests take
  // as long as they take).
  void Step(Millis wait);
  // Ends a waiting Step at once; later ones do nothing.
  void Stop();
  bool stopped() const;
  ReflectorStats stats() const;

 private:
  void ListPage();
  void TakePage(const std::string& body);
  Status TakeItems(std::string_view page);
  void OpenWatch();
  void Watching(Millis wait);
  void TakeEvent(const WatchEvent& event);
  void TakeObject(const WatchEvent& event);
  void Refused(const std::string& status);
  void EndWatch();
  void Expire();
  void BackOff(ReflectorState then, const std::string& why, Nanos at_least = Nanos(0));
  void WaitOut(Millis wait);
  void Undecodable(const Error& error);
  void Enter(ReflectorState state);
  template <class Change>
  void Note(Change change);
  std::string What() const;

  Api& api_;
  ReflectorSink& sink_;
  const ReflectorOptions options_;
  const Clock& clock_;
  Rng rng_;
  Backoff backoff_;

  // Of the stepping thread.
  ReflectorState state_ = ReflectorState::kListing;
  ReflectorState then_ = ReflectorState::kListing;  // after the back-off
  Nanos resume_at_{0};
  Nanos last_failure_{0};
  std::string list_version_ = "0";  // what the next list asks for
  std::string continue_ = {};       // the next page; empty: the first
  std::string version_ = {};
  Nanos opened_at_{0};
  Nanos heard_at_{0};
  bool heard_ = false;         // the watch has brought something
  bool just_expired_ = false;  // no event since the last 410
  int silences_ = 0;           // in a row, without any event

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<Watch> watch_;
  ReflectorStats stats_;
  bool stopped_ = false;
};

// Runs a reflector on a thread of its own until it is destroyed.
class ReflectorThread {
 public:
  explicit ReflectorThread(Reflector& reflector);
  ReflectorThread(const ReflectorThread&) = delete;
  ReflectorThread& operator=(const ReflectorThread&) = delete;
  ~ReflectorThread();

 private:
  Reflector& reflector_;
  std::thread thread_;
};

}  // namespace pj::kube
