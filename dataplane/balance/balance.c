#include "dataplane/balance/balance.h"

void balancer_destroy(struct balancer *balancer)
{
    if (balancer)
        balancer->ops->destroy(balancer);
}
