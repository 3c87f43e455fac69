/**
 * The demo's device side, a worker of its own as a VMM's I/O thread would be.
 *
 * @module
 */
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import { openDeviceQueue } from "../ring/device_queue.ts";
import { BlkService } from "./blk.ts";
import { DeviceEngine } from "./device_engine.ts";
import { CtrlService, type Outbox, RxService, TxService } from "./net.ts";
import { type QueuePlan, QUEUES } from "./plan.ts";
import { runSide } from "./side.ts";
import type { Service } from "./workload.ts";

/** What a network device transmits, it receives answers to. */
function services(memory: WritableGuestMemory): (plan: QueuePlan) => Service {
  const outboxes = new Map<string, Outbox>();
  return ({ role, device }) => {
    const outbox = outboxes.get(device) ?? [];
    outboxes.set(device, outbox);
    if (role === "blk") return new BlkService(memory, `guestmem-${device}`);
    if (role === "rx") return new RxService(memory, outbox);
    return role === "tx" ? new TxService(memory, outbox) : new CtrlService(memory);
  };
}

runSide((context) => {
  const serviceOf = services(context.memory);
  return QUEUES.map((plan) => {
    const queue = openDeviceQueue(context.memory, plan.config);
    return new DeviceEngine(context, plan, queue, serviceOf(plan));
  });
});
