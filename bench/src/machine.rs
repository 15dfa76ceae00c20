//! What the kernel tells of processes and of the machine.

use std::{fs, time::Duration};

use crate::Result;

/// How /proc counts CPU time: USER_HZ, which is 100 wherever Linux runs today.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time that a process has used, with that of the kernel for it.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/PID/stat is odd")?;
    let ticks = |field: usize| -> Result<u32> {
        let value = fields.split(' ').nth(field);
        Ok(value.ok_or("/proc/PID/stat is short")?.parse()?)
    };
    // Fields 14 and 15, of which two are gone.
    Ok(TICK * (ticks(11)? + ticks(12)?))
}

/// The most memory that a process has had resident, in octets.
pub fn peak_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("/proc/PID/status has no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// The load average of the last minute.
pub fn load() -> Result<f64> {
    let loads = fs::read_to_string("/proc/loadavg")?;
    Ok(loads.split(' ').next().unwrap_or_default().parse()?)
}

/// How many CPUs there are to use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
