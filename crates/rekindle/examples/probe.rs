//! Times the hot paths.
use rekindle::*;
use std::time::Instant;
fn artifact(n: u32, len: usize) -> Artifact {
    let mut bytes = vec![0xb8];
    bytes.extend(n.to_le_bytes());
    bytes.push(0xc3);
    bytes.resize(len, 0x90);
    let locs = (0..len as u32 / 20)
        .map(|i| SourceLocation {
            start: i * 20,
            end: i * 20 + 20,
            location: i * 2 + 1000,
        })
        .collect();
    Artifact {
        name: format!("guest:{n:#x}"),
        text: Section { bytes, align: 16 },
        compile_time_ns: 1000,
        bss: ZeroSection { size: 64, align: 8 },
        relocations: vec![Relocation {
            section: SectionKind::Text,
            offset: 8,
            kind: RelocationKind::X86GotPc32,
            target: Target::Symbol("base".into()),
            addend: -4,
        }],
        source_locations: locs,
        metadata: vec![7; 40],
        ..Default::default()
    }
}
fn key(n: u64) -> Key {
    KeyBuilder::new("t").u64(n).finish()
}
fn main() {
    let n: u64 = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(5000);
    let len: usize = std::env::args()
        .nth(2)
        .and_then(|a| a.parse().ok())
        .unwrap_or(1024);
    let dir = std::env::temp_dir().join("rk-probe");
    let _ = std::fs::remove_dir_all(&dir);
    let cfg = CacheConfig {
        directory: Some(dir.clone()),
        ..Default::default()
    };
    let env = Environment::builder("p").build();
    let open = || {
        let c = Cache::open(&cfg);
        let s = c.scope(&env, ScopeId::from_name("m"), Box::new(|_| Some(5)));
        (c, s)
    };
    {
        let (_c, s) = open();
        let arts: Vec<_> = (0..n).map(|i| artifact(i as u32, len)).collect();
        let t = Instant::now();
        for (i, a) in arts.into_iter().enumerate() {
            if let Lookup::Miss(tk) = s.lookup(&key(i as u64)) {
                s.insert(tk, a).unwrap();
            }
        }
        println!(
            "insert {:.2} us each",
            t.elapsed().as_secs_f64() * 1e6 / n as f64
        );
        let t = Instant::now();
        let r = s.flush();
        println!(
            "flush {:.2} ms, {:.2} us each, {} bytes",
            t.elapsed().as_secs_f64() * 1e3,
            t.elapsed().as_secs_f64() * 1e6 / n as f64,
            r.bytes_written
        );
    }
    let keys: Vec<_> = (0..n).map(key).collect();
    let missing: Vec<_> = (n..2 * n).map(key).collect();
    for round in 0..4 {
        let t = Instant::now();
        let c = Cache::open(&cfg);
        let a = t.elapsed();
        let t = Instant::now();
        let s = c.scope(&env, ScopeId::from_name("m"), Box::new(|_| Some(5)));
        let b = t.elapsed();
        let t = Instant::now();
        for k in &missing {
            if let Lookup::Hit(_) = s.lookup(k) {
                panic!()
            }
        }
        let m = t.elapsed();
        let t = Instant::now();
        for k in &keys {
            if let Lookup::Miss(_) = s.lookup(k) {
                panic!()
            }
        }
        let h = t.elapsed();
        let t = Instant::now();
        for k in &keys {
            if let Lookup::Miss(_) = s.lookup(k) {
                panic!()
            }
        }
        let h2 = t.elapsed();
        println!(
            "round {round}: cache open {:?} scope open {:?} miss {:.3} first hit {:.3} second hit {:.3} us",
            a,
            b,
            m.as_secs_f64() * 1e6 / n as f64,
            h.as_secs_f64() * 1e6 / n as f64,
            h2.as_secs_f64() * 1e6 / n as f64
        );
    }
}
