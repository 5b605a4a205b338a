#include "bench/pktgen/report.h"

#include <inttypes.h>

static const struct {
    const char *key, *text;
    double share;
} quantiles[] = {
    {"p50", "50 %", 0.5},      {"p90", "90 %", 0.9},         {"p99", "99 %", 0.99},
    {"p999", "99.9 %", 0.999}, {"p9999", "99.99 %", 0.9999},
};
#define QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

uint64_t result_lost(const struct result *result)
{
    const struct receiver *receiver = &result->receiver;
    // Duplicates that come very late count as received.
    return receiver->sent > receiver->received ? receiver->sent - receiver->received : 0;
}

static double microseconds(const struct report *report, uint64_t cycles)
{
    return (double)cycles * 1e6 / (double)report->hz;
}

static double mean(const struct latency *latency)
{
    return latency->count > 0 ? (double)latency->sum / (double)latency->count : 0;
}

static double rate(const struct result *result, uint64_t packets)
{
    return result->seconds > 0 ? (double)packets / result->seconds : 0;
}

void report_write(FILE *out, const struct report *report)
{
    const struct result *result = report->result;
    const struct receiver *receiver = &result->receiver;
    const struct latency *latency = &receiver->latency;
    fprintf(out,
            "%s%.3f s: sent %" PRIu64 " (%.0f/s), received %" PRIu64 " (%.0f/s), lost %" PRIu64
            ", reordered %" PRIu64 ", duplicates %" PRIu64 ", foreign %" PRIu64 "\n",
            report->interrupted ? "interrupted after " : "", result->seconds, receiver->sent,
            rate(result, receiver->sent), receiver->received, rate(result, receiver->received),
            result_lost(result), receiver->reordered, receiver->duplicates, receiver->foreign);
    fprintf(out, "latency in us: least %.1f, mean %.1f; at most",
            microseconds(report, latency->least), mean(latency) * 1e6 / (double)report->hz);
    for (size_t i = 0; i < QUANTILES; i++)
        fprintf(out, " %.1f (%s),",
                microseconds(report, latency_quantile(latency, quantiles[i].share)),
                quantiles[i].text);
    fprintf(out,
            " %.1f (all)\n"
            "of which two turns of the generator are its own: a turn took at most %.1f (99 %%), "
            "%.1f (all)\n",
            microseconds(report, latency->most),
            microseconds(report, latency_quantile(&result->turns, 0.99)),
            microseconds(report, result->turns.most));
    if (report->search)
        fprintf(out,
                "throughput: %" PRIu64 " packets a second, to within %" PRIu64
                ", with at most %" PRIu32 " lost in a million\n",
                report->search->passed, report->search->resolution, report->search->loss_tolerated);
}

// Pairs of a bucket's upper bound and how many it holds; empty ones are left out.
static void write_histogram(FILE *out, const struct report *report)
{
    const struct latency *latency = &report->result->receiver.latency;
    const char *comma = "";
    fputs(", \"latency_histogram_us\": [", out);
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        if (latency->buckets[i] == 0)
            continue;
        fprintf(out, "%s[%.3f, %" PRIu64 "]", comma, microseconds(report, latency_longest(i)),
                latency->buckets[i]);
        comma = ", ";
    }
    fputs("]", out);
}

void report_write_json(FILE *out, const struct report *report)
{
    const struct result *result = report->result;
    const struct receiver *receiver = &result->receiver;
    const struct latency *latency = &receiver->latency;
    fprintf(out,
            "{\"seconds\": %.3f, \"interrupted\": %s, \"sent\": %" PRIu64
            ", \"sent_per_second\": %.0f, \"received\": %" PRIu64
            ", \"received_per_second\": %.0f, \"lost\": %" PRIu64 ", \"reordered\": %" PRIu64
            ", \"duplicates\": %" PRIu64 ", \"foreign\": %" PRIu64,
            result->seconds, report->interrupted ? "true" : "false", receiver->sent,
            rate(result, receiver->sent), receiver->received, rate(result, receiver->received),
            result_lost(result), receiver->reordered, receiver->duplicates, receiver->foreign);
    fprintf(out, ", \"latency_us\": {\"min\": %.3f, \"mean\": %.3f",
            microseconds(report, latency->least), mean(latency) * 1e6 / (double)report->hz);
    for (size_t i = 0; i < QUANTILES; i++)
        fprintf(out, ", \"%s\": %.3f", quantiles[i].key,
                microseconds(report, latency_quantile(latency, quantiles[i].share)));
    fprintf(out, ", \"max\": %.3f}, \"turn_us\": {\"p99\": %.3f, \"max\": %.3f}",
            microseconds(report, latency->most),
            microseconds(report, latency_quantile(&result->turns, 0.99)),
            microseconds(report, result->turns.most));
    write_histogram(out, report);
    if (report->search)
        fprintf(out,
                ", \"throughput_per_second\": %" PRIu64 ", \"resolution_per_second\": %" PRIu64
                ", \"lost_per_million_tolerated\": %" PRIu32,
                report->search->passed, report->search->resolution, report->search->loss_tolerated);
    fputs("}\n", out);
}
