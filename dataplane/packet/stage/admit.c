#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/stage/tcp.h"

// The worker to which a device brings a client's packet by the hash.
static uint16_t steered_to(const struct stage *stage, const struct flow_key *key)
{
    const struct steer *steer = stage->tables->steer;
    const struct tables_service *service = &stage->tables->services[key->endpoint];
    return (uint16_t)steer_worker_of_entry(
        steer, steer_source(steer, &key->peer, key->port) ^
                   steer_destination(steer, &service->address, service->port));
}

static bool is_fullnat_service(const struct tables_service *service)
{
    return service->pool && service->pool->forward == CONFIG_FORWARD_FULLNAT;
}

struct owner {
    uint16_t worker;
    bool fullnat;
};

// Both directions of a flow need one worker, and a device hashes them apart: with NAT the worker
// that owns a flow follows from the client's side alone, which both directions have. With FullNAT a
// reply to a local address tells it, and it is the one to which the client's packets come.
static struct owner owner_of(const struct stage *stage, const struct newcomer *newcomer)
{
    const struct tables *tables = stage->tables;
    struct flow_key key = newcomer_key(newcomer);
    struct owner owner = {.fullnat = true};
    if (newcomer->endpoint >= ENDPOINT_NUMBER_MEMBERS) {
        if (fullnat_owner(stage, &key, &owner.worker))
            return owner;
    } else if (tables->services[key.endpoint].steered) {
        owner.worker = steered_to(stage, &key);
        return owner;
    }
    uint64_t words[3];
    memcpy(words, key.peer.bytes, 16);
    words[2] = (uint64_t)key.port << 8 | newcomer->protocol;
    uint64_t hash = siphash13_words(stage->owner_key, words, 3) >> 32;
    owner.worker = (uint16_t)(hash * tables->workers >> 32);
    owner.fullnat = newcomer->endpoint < ENDPOINT_NUMBER_MEMBERS &&
                    is_fullnat_service(&tables->services[key.endpoint]);
    return owner;
}

static struct admission admission_drop(enum drop_reason reason)
{
    return (struct admission){.verdict = VERDICT_DROP, .reason = (uint8_t)reason};
}

static void admission_refuse(struct admission *admission, enum drop_reason reason)
{
    admission->verdict = VERDICT_DROP;
    admission->reason = (uint8_t)reason;
}

bool admit_is_owned(const struct stage *stage, const struct newcomer *newcomer)
{
    return newcomer->endpoint >= ENDPOINT_NUMBER_MEMBERS ||
           stage->tables->services[newcomer->endpoint].owned;
}

bool admit_belongs_elsewhere(const struct stage *stage, const struct newcomer *newcomer,
                             struct admission *admission)
{
    if (stage->tables->workers == 1 || newcomer->handed)
        return false;
    struct owner owner = owner_of(stage, newcomer);
    if (owner.worker == stage->worker)
        return false;
    admission->verdict = VERDICT_HANDOFF;
    admission->owner = owner.worker;
    if (owner.fullnat)
        stats_add(stage->counters.fullnat_handoffs, 1);
    return true;
}

static uint16_t member_endpoint(const struct tables *tables, uint16_t member_slot,
                                uint16_t service_slot)
{
    const struct tables_member *member = &tables->members[member_slot];
    const struct tables_service *service = &tables->services[service_slot];
    return endpoint_number(tables->endpoints, ENDPOINT_MEMBER, &member->address,
                           tables_answering_port(member, service->port),
                           tables_protocol_at(service->protocol, &member->address));
}

// Both directions of a two-way flow to a member; state and time are still to be filled, and of
// FullNAT whom the member answers.
static struct flow_pair pair_of(const struct newcomer *newcomer, const struct admission *admission)
{
    struct flow_key key = newcomer_key(newcomer);
    return (struct flow_pair){
        .client = key.peer,
        .answered = key.peer,
        .client_port = key.port,
        .answered_port = key.port,
        .service = key.endpoint,
        .member_endpoint = admission->member_endpoint,
        .member = admission->member,
    };
}

static enum drop_reason refusal(enum error error)
{
    return error == ERROR_EXISTS ? DROP_FLOW_CONFLICT : DROP_FLOW_TABLE_FULL;
}

// A reply can belong to one flow only: one that is over, and only waits for its time, makes room.
static enum drop_reason begin_nat(struct stage *stage, const struct newcomer *newcomer,
                                  const struct flow_pair *pair, struct flow **flow)
{
    enum error error = flow_insert_pair(stage->flows, pair, newcomer->hash, stage->now_ms, flow);
    if (error == ERROR_EXISTS && flow_state_of(stage->flows, *flow) == FLOW_TCP_CLOSING) {
        flow_remove(stage->flows, *flow);
        error = flow_insert_pair(stage->flows, pair, newcomer->hash, stage->now_ms, flow);
    }
    return error ? refusal(error) : DROP_NONE;
}

static void answer_at(const struct stage *stage, const struct borrowed *borrowed,
                      struct flow_pair *pair)
{
    pair->answered = stage->tables->locals[borrowed->local].address;
    pair->answered_port = borrowed->port;
    pair->local = borrowed->local;
    pair->local_number = (uint16_t)borrowed->number; // there are fewer
}

static enum drop_reason begin_fullnat(struct stage *stage, const struct newcomer *newcomer,
                                      struct flow_pair *pair, struct admission *admission)
{
    const struct tables_member *member = &stage->tables->members[pair->member];
    bool crossing = !ip_same_version(&member->address, &pair->client);
    pair->beyond =
        (uint8_t)(introduction_of(member, newcomer->protocol) | (crossing ? BEYOND_CROSSES : 0));
    struct borrowed borrowed = admission->borrowed;
    admission->borrowed.local = 0;
    if (!borrowed.local) {
        enum drop_reason reason =
            fullnat_borrow(stage, member, newcomer->hash, pair->member_endpoint, &borrowed);
        if (reason != DROP_NONE)
            return reason;
    }
    answer_at(stage, &borrowed, pair);
    enum error error =
        flow_insert_pair(stage->flows, pair, newcomer->hash, stage->now_ms, &admission->flow);
    if (!error)
        return DROP_NONE;
    fullnat_give_back(stage, pair->member_endpoint, borrowed.local, borrowed.number);
    return refusal(error);
}

static bool is_fullnat_member(const struct stage *stage, uint16_t member)
{
    return stage->tables->members[member].forward == CONFIG_FORWARD_FULLNAT;
}

static enum drop_reason begin_two_way(struct stage *stage, const struct newcomer *newcomer,
                                      enum flow_state state, uint32_t expires_ms,
                                      struct admission *admission)
{
    struct flow_pair pair = pair_of(newcomer, admission);
    DCHECK(pair.member_endpoint != 0);
    pair.expires_ms = expires_ms;
    pair.state = (uint8_t)state;
    return is_fullnat_member(stage, admission->member)
               ? begin_fullnat(stage, newcomer, &pair, admission)
               : begin_nat(stage, newcomer, &pair, &admission->flow);
}

static bool is_two_way(const struct stage *stage, uint16_t member)
{
    return config_forward_two_way((enum config_forward)stage->tables->members[member].forward);
}

// What a flow of a newcomer begins with.
static struct flow first_value(const struct stage *stage, const struct newcomer *newcomer,
                               uint16_t member)
{
    enum flow_state state =
        newcomer->protocol == IPPROTO_TCP ? tcp_first_state(newcomer->tcp_flags) : FLOW_UDP_OPENING;
    return (struct flow){.expires_ms = stage->now_ms + stage->tables->timeouts_ms[state],
                         .member = member,
                         .state = (uint8_t)state};
}

// Before a flow begins it has a slot in the set of those on probation. Another may have to go for
// it.
static bool enter_probation(struct stage *stage, const struct newcomer *newcomer, struct flow value,
                            struct probation_leaver *leaver)
{
    struct probation *probation = stage->probations[probation_set_of(newcomer->protocol)];
    return probation_enter(probation, newcomer->hash, newcomer->v4, stage->now_ms, value.expires_ms,
                           leaver);
}

static void evict(struct stage *stage, enum probation_set set,
                  const struct probation_leaver *leavers, uint32_t count)
{
    uint32_t live =
        probation_evict(stage->probations[set], stage->flows, leavers, count, stage->now_ms);
    stats_add(stage->counters.probation_evictions, live);
}

// Whether it was given a place ahead, which no other of its burst has taken since.
static bool has_its_place(const struct stage *stage, const struct newcomer *newcomer,
                          const struct admission *admission)
{
    return admission->placed &&
           probation_has(stage->probations[probation_set_of(newcomer->protocol)], newcomer->hash);
}

// Begins a flow. Its end is counted by the stage's flow_ended().
static enum drop_reason begin_flow(struct stage *stage, const struct newcomer *newcomer,
                                   struct admission *admission)
{
    uint16_t member = admission->member;
    struct flow value = first_value(stage, newcomer, member);
    struct probation_leaver leaver;
    if (!has_its_place(stage, newcomer, admission) &&
        enter_probation(stage, newcomer, value, &leaver))
        evict(stage, probation_set_of(newcomer->protocol), &leaver, 1);
    enum drop_reason reason = DROP_NONE;
    enum error error = ERROR_NONE;
    if (is_two_way(stage, member))
        reason = begin_two_way(stage, newcomer, (enum flow_state)value.state, value.expires_ms,
                               admission);
    else if (newcomer->v4)
        error = flow_insert_v4(stage->flows, newcomer->words[0], newcomer->hash, stage->now_ms,
                               value, &admission->flow);
    else
        error = flow_insert_v6(stage->flows, newcomer->words, newcomer->hash, stage->now_ms, value,
                               &admission->flow);
    if (error)
        reason = refusal(error);
    if (reason != DROP_NONE)
        return reason;
    if (value.state == FLOW_TCP_OPENING)
        handshakes_begin(&stage->handshakes, newcomer->hash, stage->now_ticks);
    struct tally *vip = &stage->counters.vips[newcomer->endpoint];
    struct tally *of_member = &stage->counters.members[member];
    stats_add(&vip->flows, 1);
    stats_add(&vip->flows_created, 1);
    stats_add(&of_member->flows, 1);
    stats_add(&of_member->flows_created, 1);
    return DROP_NONE;
}

// A segment that ends a connection we do not know begins no flow.
static bool ends_connection(const struct newcomer *newcomer)
{
    return newcomer->tcp_flags & (WIRE_TCP_FIN | WIRE_TCP_RST);
}

const struct rule *admit_rule(const struct stage *stage, const struct newcomer *newcomer)
{
    const struct tables_service *service = &stage->tables->services[newcomer->endpoint];
    if (!stage->tables->rules)
        return NULL;
    struct flow_key client = newcomer_key(newcomer);
    const struct access_key key = {
        .protocol = newcomer->protocol,
        .source = client.peer,
        .destination = service->address,
        .source_port = client.port,
        .destination_port = service->port,
    };
    return rules_decide(stage->tables->rules, &key);
}

static bool has_fit_sender(const struct stage *stage, const struct newcomer *newcomer)
{
    if (newcomer->v4)
        return endpoint_number_v4(stage->tables->endpoints, ENDPOINT_NO_SENDER,
                                  (uint32_t)newcomer->words[0], 0, IPPROTO_RAW) == 0;
    struct flow_key client = newcomer_key(newcomer);
    return can_be_sender(stage, &client.peer);
}

static struct admission choose_of_service(struct stage *stage, const struct newcomer *newcomer)
{
    const struct tables_service *service = &stage->tables->services[newcomer->endpoint];
    struct admission elsewhere = {0};
    if (service->owned && admit_belongs_elsewhere(stage, newcomer, &elsewhere))
        return elsewhere;
    if (!has_fit_sender(stage, newcomer))
        return admission_drop(DROP_IP_ADDRESS);
    const struct tables_pool *pool = service->pool;
    if (!pool)
        return admission_drop(DROP_NO_SERVICE); // removed
    uint16_t member = choose_member(stage, newcomer, pool);
    if (member == CHOOSE_NONE)
        return admission_drop(DROP_NO_MEMBER);
    struct admission admission = {.verdict = VERDICT_SEND, .member = member};
    admission.uncertain = chances_wanted(newcomer, pool);
    if (!is_two_way(stage, member)) {
        admission.untracked =
            !admission.uncertain &&
            pressure_mode(&stage->pressure, newcomer->endpoint) == PRESSURE_STATELESS;
        return admission;
    }
    admission.member_endpoint = member_endpoint(stage->tables, member, newcomer->endpoint);
    return admission;
}

// Who handed a packet over has asked and counted already, but maybe by rules that are no more: a
// flow that began by those here would outlive the recheck.
static struct admission ask_and_choose(struct stage *stage, const struct newcomer *newcomer)
{
    const struct rule *rule = admit_rule(stage, newcomer);
    struct admission admission =
        rule && rule->denies ? admission_drop(DROP_ACCESS) : choose_of_service(stage, newcomer);
    admission.rule = newcomer->handed ? NULL : rule;
    return admission;
}

struct admission admit_choose(struct stage *stage, const struct newcomer *newcomer)
{
    if (newcomer->endpoint < ENDPOINT_NUMBER_MEMBERS)
        return ask_and_choose(stage, newcomer);
    struct admission elsewhere = {0};
    if (admit_belongs_elsewhere(stage, newcomer, &elsewhere))
        return elsewhere;
    return admission_drop(DROP_NO_FLOW); // a reply nobody asked for, or one too late
}

static bool begins_flow(const struct newcomer *newcomer, const struct admission *admission)
{
    return admission->verdict == VERDICT_SEND && !admission->uncertain && !admission->untracked &&
           !ends_connection(newcomer);
}

static void prefetch_probations(const struct stage *stage, const struct arrival *arrivals,
                                uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct newcomer *newcomer = &arrivals[i].newcomer;
        probation_prefetch(stage->probations[probation_set_of(newcomer->protocol)], newcomer->hash);
    }
}

static bool will_begin(const struct arrival *arrival)
{
    return arrival->decided && begins_flow(&arrival->newcomer, &arrival->admission);
}

// Fetches where the member's direction of a flow will be, which with FullNAT the port tells.
static void reach_for_member(struct stage *stage, struct arrival *arrival)
{
    struct admission *admission = &arrival->admission;
    struct flow_pair pair = pair_of(&arrival->newcomer, admission);
    if (is_fullnat_member(stage, admission->member)) {
        fullnat_borrow_ahead(stage, &stage->tables->members[admission->member],
                             arrival->newcomer.hash, pair.member_endpoint, &admission->borrowed);
        if (!admission->borrowed.local)
            return;
        answer_at(stage, &admission->borrowed, &pair);
    }
    flow_prefetch_member(stage->flows, &pair);
}

static void choose_all(struct stage *stage, struct arrival *arrivals, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct arrival *arrival = &arrivals[i];
        arrival->decided = choose_ahead(stage, &arrival->newcomer);
        if (arrival->decided)
            arrival->admission = admit_choose(stage, &arrival->newcomer);
    }
}

static void reach_for_members(struct stage *stage, struct arrival *arrivals, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (will_begin(&arrivals[i]) && is_two_way(stage, arrivals[i].admission.member))
            reach_for_member(stage, &arrivals[i]);
    }
}

// Those whose places others take.
struct leavers {
    uint32_t count;
    struct probation_leaver of[PROBATION_LEAVERS_MAX];
};
_Static_assert(PROBATION_LEAVERS_MAX >= STAGE_BURST, "each packet of a burst may evict one");

static void make_room(struct stage *stage, struct arrival *arrivals, uint32_t count)
{
    struct leavers leavers[PROBATION_SETS];
    leavers[PROBATION_TCP].count = 0;
    leavers[PROBATION_UDP].count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct newcomer *newcomer = &arrivals[i].newcomer;
        if (!will_begin(&arrivals[i]))
            continue;
        struct leavers *of_set = &leavers[probation_set_of(newcomer->protocol)];
        struct flow value = first_value(stage, newcomer, arrivals[i].admission.member);
        arrivals[i].admission.placed = true;
        of_set->count += enter_probation(stage, newcomer, value, &of_set->of[of_set->count]);
    }
    for (enum probation_set set = 0; set < PROBATION_SETS; set++) {
        if (leavers[set].count)
            evict(stage, set, leavers[set].of, leavers[set].count);
    }
}

void admit_ahead(struct stage *stage, struct arrival *arrivals, uint32_t count)
{
    prefetch_probations(stage, arrivals, count);
    choose_all(stage, arrivals, count);
    make_room(stage, arrivals, count);
    reach_for_members(stage, arrivals, count);
}

void admit_done(struct stage *stage, const struct arrival *arrivals, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct admission *admission = &arrivals[i].admission;
        if (arrivals[i].decided && admission->borrowed.local)
            fullnat_give_back(stage, admission->member_endpoint, admission->borrowed.local,
                              admission->borrowed.number);
    }
}

// Without room, direct return and tunnels pass by the choice alone, as their members know the
// connection; two-way flows cannot, as the reply would not be known.
void admit_begin(struct stage *stage, const struct newcomer *newcomer, struct admission *admission)
{
    if (admission->verdict != VERDICT_SEND || admission->uncertain || admission->untracked)
        return;
    bool two_way = is_two_way(stage, admission->member);
    if (ends_connection(newcomer)) {
        if (two_way)
            admission_refuse(admission, DROP_NO_FLOW);
        return;
    }
    enum drop_reason reason = begin_flow(stage, newcomer, admission);
    if (reason == DROP_NONE)
        return;
    if (two_way)
        admission_refuse(admission, reason);
    admission->untracked = !two_way;
    admission->flow = NULL;
}

void admit_count(struct stage *stage, const struct admission *admission)
{
    rules_apply(stage, admission->rule);
    if (admission->untracked)
        stats_add(stage->counters.untracked, 1);
}

static void admit_packet(struct stage *stage, struct packet *packet, const struct flow_key *key,
                         uint64_t hash)
{
    // An earlier packet of this burst may have begun the flow.
    struct flow *flow = flow_find(stage->flows, key, hash, stage->now_ms);
    if (flow) {
        forward_established(stage, packet, flow, key->endpoint, hash);
        return;
    }
    uint64_t words[FLOW_WORDS_V6];
    bool v4 = flow_key_words(key, words) == FLOW_WORDS_V4;
    const struct newcomer newcomer = {
        .words = words,
        .hash = hash,
        .endpoint = key->endpoint,
        .v4 = v4,
        .protocol = packet->wire.protocol,
        .tcp_flags = packet->wire.tcp_flags,
        .handed = packet->handed,
    };
    struct admission admission = admit_choose(stage, &newcomer);
    admit_begin(stage, &newcomer, &admission);
    admit_count(stage, &admission);
    packet->verdict = admission.verdict;
    packet->reason = admission.reason;
    packet->owner = admission.owner;
    if (admission.verdict != VERDICT_SEND)
        return;
    struct chances chances;
    if (admission.uncertain) {
        chances_find(stage, &newcomer, admission.member, &chances);
        packet->chances = chances.count > 0 ? &chances : NULL;
    }
    packet->pair = admission.flow ? flow_pair_of(stage->flows, admission.flow) : NULL;
    forward_to_member(stage, packet, admission.member, key->endpoint);
    packet->chances = NULL; // what has to be cut into fragments goes without
}

void stage_admit(struct stage *stage, struct burst *burst)
{
    for (uint32_t k = 0; k < burst->key_count; k++) {
        struct packet *packet = &burst->packets[burst->packet_of[k]];
        if (packet->verdict == VERDICT_NONE)
            admit_packet(stage, packet, &burst->keys[k], burst->hashes[k]);
    }
}
