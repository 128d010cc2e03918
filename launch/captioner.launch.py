"""Caption a camera: ros2 launch mmser_ros captioner.launch.py image_topic:=/camera/image_raw.

Captions come on /caption (in a namespace: /<namespace>/caption). Arguments that are left empty
are as params_file has them; those that are given go before it.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription
from mmser_ros.node.transport import for_large_images

# Launch argument -> type of the parameter of the same name.
PARAMETERS = {
    "model": str,
    "engine": str,
    "threads": int,
    "precision": str,
    "beams": int,
    "image_transport": str,
    "base_frame": str,
    "camera_height": float,
    "camera_pitch": float,
    "camera_hfov": float,
    "autostart": bool,
    "use_sim_time": bool,
    "refine": str,
    "prefer": str,
    "max_age": float,
    "max_rate": float,
}
DESCRIPTIONS = {
    "model": "built-in model by name, or path of a model folder",
    "engine": "what runs the model, such as auto, tensorrt, cuda, onnx",
    "threads": "CPU threads of the engine; 0 lets it choose",
    "precision": "of the engine's arithmetic: such as auto, fp32, fp16, int8",
    "beams": "1 for greedy captions, more to search for more probable ones",
    "image_transport": "raw, or compressed for <image_topic>/compressed",
    "base_frame": "tf frame on the floor, from which the camera's mounting is read",
    "camera_height": "metres above the floor, if tf does not tell; 0.0 asks tf",
    "camera_pitch": "radians, upwards positive; counts where camera_height is set",
    "camera_hfov": "horizontal field of view in radians, if no CameraInfo comes",
    "autostart": "false if a lifecycle manager configures and activates the node",
    "use_sim_time": "true with a simulator, or a bag played with --clock",
    "refine": "always, uncertain or never",
    "prefer": "complete or latest: whether a waiting frame costs the refinement",
    "max_age": "seconds after which a frame is too old to be captioned; 0.0 for never",
    "max_rate": "most frames a second; 0.0 for no limit",
}


def captioner(context: LaunchContext) -> list[Node]:
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    remappings = [("image", LaunchConfiguration("image_topic"))]
    if LaunchConfiguration("camera_info_topic").perform(context):
        remappings.append(("camera_info", LaunchConfiguration("camera_info_topic")))
    return [
        Node(
            package="mmser_ros",
            executable="captioner",
            name=LaunchConfiguration("name"),
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), *([parameters] if parameters else [])],
            remappings=remappings,
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            additional_env=for_large_images(),
            output="screen",
            emulate_tty=True,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    params = PathJoinSubstitution([FindPackageShare("mmser_ros"), "config", "captioner.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "image_topic",
                default_value="/camera/image_raw",
                description="the camera's topic, without /compressed",
            ),
            DeclareLaunchArgument(
                "camera_info_topic",
                default_value="",
                description="its CameraInfo; empty for camera_info beside the image topic",
            ),
            DeclareLaunchArgument(
                "params_file", default_value=params, description="YAML file of all parameters"
            ),
            DeclareLaunchArgument(
                "namespace", default_value="", description="goes before caption and the others"
            ),
            DeclareLaunchArgument("name", default_value="captioner", description="of the node"),
            DeclareLaunchArgument(
                "log_level", default_value="info", description="debug, info, warn, error"
            ),
            *(
                DeclareLaunchArgument(name, default_value="", description=description)
                for name, description in DESCRIPTIONS.items()
            ),
            OpaqueFunction(function=captioner),
        ]
    )
