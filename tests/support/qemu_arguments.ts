/**
 * QEMU's command line for a test guest. Software emulation only: /dev/kvm may exist and still be
 * unable to run an unmodified kernel.
 *
 * @module
 */

/** Devices by the id that QEMU gives them. */
export type DeviceName = "blk" | "net" | "console" | "rng" | "balloon" | "scsi";

/**
 * How RAM is backed: `memfd` and `shm` shared, `private` anonymous, `private-memfd` a memfd mapped
 * privately, `memfd-6g` a sparse shared memfd of 6 GiB that the machine splits below 4 GiB.
 */
export type MemoryKind = "memfd" | "shm" | "private" | "private-memfd" | "memfd-6g";

/** What guest to start. Everything has a default. */
export interface GuestOptions {
  /** `q35` and `pc` have virtio-pci; `microvm` virtio-mmio. Default `q35`. */
  readonly machine?: "q35" | "pc" | "microvm";
  /** Legacy (virtio 0.9) devices only. Default false. */
  readonly legacy?: boolean;
  /** Default `memfd`. */
  readonly memory?: MemoryKind;
  /** RAM in MiB. Default 256. `memfd-6g` has its own. */
  readonly megabytes?: number;
  /** Default: all six. */
  readonly devices?: readonly DeviceName[];
  /** VIRTIO_F_RING_PACKED offered. Default false. */
  readonly packed?: boolean;
  /** VIRTIO_F_EVENT_IDX offered. Default true. */
  readonly eventIdx?: boolean;
  /** VIRTIO_F_INDIRECT_DESC offered. Default true. */
  readonly indirect?: boolean;
  /** Request queues of blk, and CPUs. Default 1. */
  readonly queues?: number;
  /** Disk requests per second, so that some are always in flight. Default: no limit. */
  readonly iops?: number;
  /** Seconds between two requests of one kind. Default 0.2. */
  readonly tick?: number;
  /** Which devices get traffic: as `devices`, without balloon. Default: all. */
  readonly traffic?: readonly DeviceName[];
  /** Appended to the kernel's command line. */
  readonly kernelArguments?: string;
  /** More arguments for QEMU. `$DIR` in them becomes the guest's directory. */
  readonly extra?: readonly string[];
  /** Another QEMU binary. */
  readonly qemu?: string;
  /** Wait for traffic before start returns. Default true. */
  readonly wait?: boolean;
}

const ALL: readonly DeviceName[] = ["blk", "net", "console", "rng", "balloon", "scsi"];

/** Arguments after the program's name. */
export function qemuArguments(options: GuestOptions, directory: string, images: string): string[] {
  const memory = memoryArguments(options, directory);
  const mmio = options.machine === "microvm";
  const machine = mmio ? "microvm,pit=on,pic=on,rtc=on" : options.machine ?? "q35";
  return [
    ...["-accel", "tcg,thread=multi", "-M", `${machine}${memory.machine}`, ...memory.arguments],
    ...["-smp", String(options.queues ?? 1), "-nodefaults", "-no-user-config"],
    ...["-display", "none", "-no-reboot", "-name", directory.split("/").at(-1) ?? "guest"],
    "-chardev",
    `socket,id=serial,path=${directory}/serial.sock,server=on,wait=off,logfile=${directory}/serial.log`,
    ...["-serial", "chardev:serial"],
    ...["-qmp", `unix:${directory}/qmp.sock,server=on,wait=off`],
    ...["-kernel", `${images}/vmlinux`, "-initrd", `${images}/initrd.cpio`],
    ...["-append", kernelArguments(options)],
    ...(mmio && !options.legacy ? ["-global", "virtio-mmio.force-legacy=false"] : []),
    ...(options.devices ?? ALL).flatMap((name) => deviceArguments(name, options, directory)),
    ...(options.extra ?? []).map((argument) => argument.replaceAll("$DIR", directory)),
  ];
}

function kernelArguments(options: GuestOptions): string {
  const traffic = options.traffic?.join(",") ?? "";
  return [
    // microvm hangs in calibration without a hint; the others start sooner with it.
    "console=ttyS0 quiet panic=-1 tsc_early_khz=2000000 mitigations=off audit=0",
    `gm.tick=${options.tick ?? 0.2}`,
    options.traffic === undefined ? "" : `gm.traffic=${traffic === "" ? "none" : traffic}`,
    options.kernelArguments ?? "",
  ].filter(Boolean).join(" ");
}

function memoryArguments(options: GuestOptions, directory: string) {
  const kind = options.memory ?? "memfd";
  const size = kind === "memfd-6g" ? "6G" : `${options.megabytes ?? 256}M`;
  if (kind === "private") return { machine: "", arguments: ["-m", size] };
  const share = `size=${size},share=${kind === "private-memfd" ? "off" : "on"}`;
  const object = kind === "shm"
    ? `memory-backend-file,id=ram0,mem-path=/dev/shm/${directory.split("/").at(-1)},${share}`
    : `memory-backend-memfd,id=ram0,${share}`;
  return { machine: ",memory-backend=ram0", arguments: ["-m", size, "-object", object] };
}

function deviceArguments(name: DeviceName, options: GuestOptions, directory: string): string[] {
  const mmio = options.machine === "microvm";
  const on = (value: boolean) => value ? "on" : "off";
  const device = (type: string, more = "") => [
    "-device",
    `virtio-${type}-${mmio ? "device" : "pci"},packed=${on(options.packed ?? false)},` +
    `event_idx=${on(options.eventIdx ?? true)},indirect_desc=${on(options.indirect ?? true)}` +
    (mmio ? "" : `,disable-modern=${on(options.legacy ?? false)}`) +
    (mmio ? "" : `,disable-legacy=${on(!options.legacy)}`) + more,
  ];
  const drive = (id: string) => `if=none,id=${id},format=raw,file=${directory}/${id}.img`;
  const limit = options.iops === undefined ? "" : `,throttling.iops-total=${options.iops}`;
  switch (name) {
    case "blk":
      return [
        ...["-drive", drive("blk") + limit],
        ...device("blk", `,id=blk0,drive=blk,num-queues=${options.queues ?? 1}`),
      ];
    case "net":
      return ["-netdev", "user,id=user0", ...device("net", ",id=net0,netdev=user0")];
    case "console":
      return [
        ...device("serial", ",id=serial0"),
        ...["-chardev", `file,id=hvc,path=${directory}/hvc.log`],
        ...["-device", "virtconsole,chardev=hvc"],
      ];
    case "rng":
      return device("rng", ",id=rng0");
    case "balloon":
      return device("balloon", ",id=balloon0");
    case "scsi":
      return [
        ...device("scsi", ",id=scsi0,num_queues=1"),
        ...["-drive", drive("scsi"), "-device", "scsi-hd,drive=scsi,bus=scsi0.0"],
      ];
  }
}
