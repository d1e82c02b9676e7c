// OperatorCheck: whether an operator is at work that looks at the jobs of a namespace.
#pragma once

#include <string>

#include "base/clock.h"
#include "cli/check_up.h"

namespace pj::cli {

// By Deployments of the chart, and by the Lease of whoever leads: that one must be fresh, and its
// holder, if it is a pod of a Deployment, be there. `ns`: where to look; empty: everywhere.
Check CheckOperator(const ClusterTarget& cluster, const std::string& ns, const Clock& clock);

// With what docs/kubernetes.md says of the images. An operator works in its own namespace.
std::string HowToInstall(const ClusterTarget& cluster);

}  // namespace pj::cli
