//! Matrix products by cuBLASLt, prepared once for every size.

use crate::gpu::op::Ptr;
use crate::gpu::sizes::Half;
use anyhow::Context;
use cudarc::cublaslt::{result, sys};
use cudarc::driver::{result as driver, sys as driver_sys};
use std::collections::BTreeMap;
use std::ffi::c_void;

/// Memory that algorithms may use for themselves: what NVIDIA recommends for Hopper.
const WORKSPACE_BYTES: usize = 32 << 20;

/// A product's sizes: rows, inner, columns.
type Sizes = [u64; 3];

/// What cuBLASLt needs for a product of some size.
struct Prepared {
    operation: sys::cublasLtMatmulDesc_t,
    weight: sys::cublasLtMatrixLayout_t,
    x: sys::cublasLtMatrixLayout_t,
    out: sys::cublasLtMatrixLayout_t,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

/// Matrix products on one stream. Nothing of it is let go before the process ends.
pub(super) struct Blas {
    handle: sys::cublasLtHandle_t,
    stream: driver_sys::CUstream,
    number: sys::cudaDataType_t,
    workspace: Ptr,
    prepared: BTreeMap<Sizes, Prepared>,
}

impl Blas {
    pub(super) fn new(half: Half, stream: driver_sys::CUstream) -> anyhow::Result<Self> {
        let number = match half {
            Half::Bf16 => sys::cudaDataType_t::CUDA_R_16BF,
            Half::Fp16 => sys::cudaDataType_t::CUDA_R_16F,
        };
        let handle =
            result::create_handle().context("cuBLASLt does not start: is it newer than the driver?")?;
        // SAFETY: only algorithms use the memory.
        let workspace = unsafe { driver::malloc_sync(WORKSPACE_BYTES) }?;
        Ok(Blas { handle, stream, number, workspace, prepared: BTreeMap::new() })
    }

    /// `out` = `x` · `weight`ᵀ, all row by row. cuBLASLt reads columns first, so it is told `outᵀ` = `weight` · `xᵀ`.
    pub(super) fn product(&mut self, x: Ptr, weight: Ptr, out: Ptr, sizes: Sizes) -> anyhow::Result<()> {
        if !self.prepared.contains_key(&sizes) {
            let prepared = self.prepare(sizes).context("cuBLASLt has no algorithm for it")?;
            self.prepared.insert(sizes, prepared);
        }
        let prepared = &self.prepared[&sizes];
        let (one, zero) = (1.0_f32, 0.0_f32);
        // SAFETY: handle and layouts were made by this one; factors are read before the call returns. That the addresses have
        // the room which the layouts say is for the op's maker to see to.
        unsafe {
            result::matmul(
                self.handle,
                prepared.operation,
                std::ptr::from_ref(&one).cast(),
                std::ptr::from_ref(&zero).cast(),
                weight as *const c_void,
                prepared.weight,
                x as *const c_void,
                prepared.x,
                out as *const c_void,
                prepared.out,
                out as *mut c_void,
                prepared.out,
                &raw const prepared.algorithm,
                self.workspace as *mut c_void,
                WORKSPACE_BYTES,
                self.stream.cast(),
            )
        }
        .context("cuBLASLt does not start it")
    }

    fn prepare(&self, [rows, inner, columns]: Sizes) -> anyhow::Result<Prepared> {
        let float = sys::cudaDataType_t::CUDA_R_32F;
        let operation = result::create_matmul_desc(sys::cublasComputeType_t::CUBLAS_COMPUTE_32F, float)?;
        // CUBLAS_OP_T, which the bindings do not name.
        let transposed = 1_i32;
        let attribute = sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA;
        let layout = |rows: u64, columns: u64| {
            result::create_matrix_layout(self.number, rows, columns, i64::try_from(rows).unwrap_or(i64::MAX))
        };
        let (weight, x, out) = (layout(inner, columns)?, layout(inner, rows)?, layout(columns, rows)?);
        let wish = result::create_matmul_pref()?;
        let most = sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        // SAFETY: all were made above; the attributes have the sizes that are said.
        let algorithm = unsafe {
            let at = std::ptr::from_ref(&transposed).cast();
            result::set_matmul_desc_attribute(operation, attribute, at, size_of_val(&transposed))?;
            let at = std::ptr::from_ref(&WORKSPACE_BYTES).cast();
            result::set_matmul_pref_attribute(wish, most, at, size_of_val(&WORKSPACE_BYTES))?;
            let found = result::get_matmul_algo_heuristic(self.handle, operation, weight, x, out, out, wish)?;
            result::destroy_matmul_pref(wish)?;
            found.algo
        };
        Ok(Prepared { operation, weight, x, out, algorithm })
    }
}
