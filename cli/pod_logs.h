// PodLogs: what a job's worker pods print, one container at a time or all as it comes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cli/log_output.h"
#include "kube/http_api.h"

namespace pj::cli {

struct WorkerPod {
  std::string name;
  std::string node;
  std::string phase;
  int64_t instance = 0;
  int64_t restarts = 0;  // of its containers
  bool ready = false;
  bool Ended() const { return phase == "Succeeded" || phase == "Failed"; }
};
// The job's pods, by instance; with a Job's replacements the older first.
Result<std::vector<WorkerPod>> WorkerPods(kube::Api* api, const std::string& ns,
                                          const std::string& job);

struct LogRequest {
  std::string ns;
  std::string pod;
  std::string container;
  int64_t tail = -1;  // last lines only; -1: all
};
// The log as it is now, between Begin and End. A container that has not started yet is kNotFound.
Status PrintLog(kube::HttpApi* api, const LogRequest& request, LogOutput* out);

struct FollowOptions {
  std::string ns;
  std::string job;
  std::vector<std::string> containers;
  int64_t instance = -1;  // -1: all
  int64_t tail = -1;
  Millis look{1000};        // between two looks for new pods, and two connections of a container
  Millis last_words{5000};  // after the job's end, or the end of the last container
  Seconds patience{120};    // with an API server that cannot be reached
};
// Prints each line as it comes, of all the job's pods, new ones included, until the job has ended.
// A connection that breaks is taken up without losing or repeating a line. Logs that may not be
// read are kForbidden; more containers than one command follows at a time, kTooLarge.
Status FollowLogs(kube::HttpApi* api, const FollowOptions& options, LogOutput* out);

}  // namespace pj::cli
