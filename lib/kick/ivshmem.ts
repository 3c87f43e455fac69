/**
 * The ivshmem doorbell of a client: a peer's vector is an eventfd that the server gave us.
 *
 * @module
 */
import type { IvshmemClient } from "../ivshmem/client.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** Rings vector `vector` of `peer`; a peer's interrupt is the kick, there is no other direction. */
export function ivshmemKick(
  client: IvshmemClient,
  peer: number,
  vector: number,
  side: KickSide,
): Kick {
  return {
    name: "doorbell",
    lastResort: false,
    possible: possible(client, peer, vector, side),
    describe: () => `doorbell: peer ${peer}, vector ${vector} (its eventfd: write 1)`,
    send: () => Promise.resolve().then(() => ring(client, peer, vector)),
  };
}

function possible(
  client: IvshmemClient,
  peer: number,
  vector: number,
  side: KickSide,
): true | string {
  if (side === "call") return "a doorbell has one direction: to the peer";
  const vectors = client.vectorsOf(peer);
  if (vectors === null) return `peer ${peer} has left`;
  return vector < vectors ? true : `peer ${peer} has no vector ${vector}`;
}

/** The eventfd outlives its reader: only the server knows whether the peer is still there. */
function ring(client: IvshmemClient, peer: number, vector: number): KickProof {
  client.ring(peer, vector);
  const server = client.ended === null ? "the peer is connected" : `server: ${client.ended}`;
  return { evidence: [`1 added to the eventfd of peer ${peer}, vector ${vector}; ${server}`] };
}
