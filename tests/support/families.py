"""Small random weights of each family's real configuration classes."""

from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
)

from tests.support.tokenizers import chat_tokenizer, t5_tokenizer

SD = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "steps_offset": 1,
}


def _text_config(tokenizer, width, act="quick_gelu"):
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        hidden_act=act,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def small_vae(channels=4, **more):
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=channels,
        sample_size=32,
        **more,
    )


def small_tiny_vae(**more):
    """A tiny decoder for latents of `small_vae`."""
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        **more,
    )


def _unet(context, **more):
    return UNet2DConditionModel(
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=context,
        attention_head_dim=4,
        norm_num_groups=8,
        **more,
    )


def small_unet(context, **more):
    """One block for each direction, and none between."""
    return UNet2DConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlock2D",),
        mid_block_type=None,
        up_block_types=("UpBlock2D",),
        block_out_channels=(16,),
        layers_per_block=1,
        cross_attention_dim=context,
        attention_head_dim=4,
        norm_num_groups=8,
        **more,
    )


def sd1(tokenizer):
    return StableDiffusionPipeline(
        vae=small_vae(),
        text_encoder=CLIPTextModel(_text_config(tokenizer, 32)),
        tokenizer=tokenizer,
        unet=_unet(32),
        scheduler=DDIMScheduler(**SD),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd2(tokenizer):
    """Velocity prediction, linear projections and an OpenCLIP-like encoder."""
    pipe = sd1(tokenizer)
    pipe.scheduler = DDIMScheduler(**SD, prediction_type="v_prediction")
    pipe.unet = _unet(32, use_linear_projection=True)
    pipe.text_encoder = CLIPTextModel(_text_config(tokenizer, 32, "gelu"))
    return pipe


def sdxl(tokenizer):
    return StableDiffusionXLPipeline(
        vae=small_vae(),
        text_encoder=CLIPTextModel(_text_config(tokenizer, 32)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer, 48, "gelu")),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=_unet(
            80,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=48 + 6 * 8,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
    )


def sd3(tokenizer):
    """A diffusion transformer on a straight path; its VAE shifts its latents."""
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=8,
        out_channels=8,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=96,
        caption_projection_dim=32,
        pooled_projection_dim=80,
        pos_embed_max_size=16,
    )
    t5 = T5Config(
        vocab_size=len(tokenizer), d_model=96, d_kv=16, d_ff=64, num_layers=1, num_heads=2
    )
    return StableDiffusion3Pipeline(
        vae=small_vae(8, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModelWithProjection(_text_config(tokenizer, 32)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer, 48, "gelu")),
        text_encoder_3=T5EncoderModel(t5),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        tokenizer_3=tokenizer,
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def flux(tokenizer, guidance_embeds=True):
    """As FLUX.1 dev: given the scale of guidance, with a shift by the size of the image."""
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=64,
        pooled_projection_dim=32,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 6, 6),
    )
    words = t5_tokenizer()
    t5 = T5Config(vocab_size=len(words), d_model=64, d_kv=16, d_ff=64, num_layers=1, num_heads=2)
    return FluxPipeline(
        vae=small_vae(4, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModel(_text_config(tokenizer, 32)),
        text_encoder_2=T5EncoderModel(t5),
        tokenizer=tokenizer,
        tokenizer_2=words,
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    )


def flux_schnell(tokenizer):
    """As FLUX.1 schnell: without guidance and without a shift."""
    pipe = flux(tokenizer, guidance_embeds=False)
    pipe.scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    return pipe


def z_image(tokenizer):
    """A transformer whose prompts are read by a language model."""
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[4, 6, 6],
        axes_lens=[1024, 64, 64],
    )
    words = chat_tokenizer()
    language_model = Qwen3Config(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    return ZImagePipeline(
        vae=small_vae(4, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=Qwen3Model(language_model),
        tokenizer=words,
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


FAMILIES = {
    "sd1": sd1,
    "sd2": sd2,
    "sdxl": sdxl,
    "sd3": sd3,
    "flux": flux,
    "flux_schnell": flux_schnell,
    "z_image": z_image,
}


def load_family(name, tokenizer):
    """The backbone of a family, without a folder."""
    from muse.diffusion import backbones

    pipe = FAMILIES[name](tokenizer)
    return backbones.FAMILIES[type(pipe).__name__](pipe)
